using System;
using System.Collections.Generic;
using System.Text;

namespace EmoFace
{
    /// <summary>Which blendshape of a character stands for which of the package. Names are compared without case, prefix
    /// and separators: "jawOpen", "JawOpen", "Head.jaw_open" and "head_geo:jawOpen" are one shape, and so are "eyeBlinkLeft"
    /// and "eyeBlink_L".</summary>
    public sealed class BlendshapeMap
    {
        private readonly int[] _target;

        /// <param name="names">The package's blendshapes.</param>
        /// <param name="targets">The character's, in the order of their indices.</param>
        public BlendshapeMap(IReadOnlyList<string> names, IReadOnlyList<string> targets)
        {
            var found = new Dictionary<string, int>(StringComparer.Ordinal);
            for (var index = 0; index < targets.Count; index++)
            {
                var key = Key(targets[index]);
                if (!found.ContainsKey(key)) found.Add(key, index);
            }
            _target = new int[names.Count];
            var missing = new List<string>();
            for (var index = 0; index < names.Count; index++)
            {
                if (found.TryGetValue(Key(names[index]), out _target[index])) continue;
                _target[index] = -1;
                missing.Add(names[index]);
            }
            Missing = missing;
        }

        /// <summary>Number of the package's blendshapes.</summary>
        public int Count => _target.Length;

        /// <summary>The package's blendshapes that the character lacks: they are left out.</summary>
        public IReadOnlyList<string> Missing { get; }

        /// <summary>The character's index for a blendshape of the package, -1 where it has none.</summary>
        public int this[int index] => _target[index];

        private static string Key(string name)
        {
            var start = name.LastIndexOfAny(new[] { '.', ':', '|' }) + 1;
            var key = new StringBuilder();
            for (var index = start; index < name.Length; index++)
                if (char.IsLetterOrDigit(name[index]))
                    key.Append(char.ToLowerInvariant(name[index]));
            var separated = name.Length - start > 2 && !char.IsLetterOrDigit(name[name.Length - 2]);
            if (separated && key.Length > 1 && key[key.Length - 1] == 'l') key.Append("eft");
            else if (separated && key.Length > 1 && key[key.Length - 1] == 'r') key.Append("ight");
            return key.ToString();
        }
    }
}
