using System.Collections.Generic;
using System.IO;
using UnityEngine;

namespace EmoFace
{
    /// <summary>Every package is loaded once, however many characters use it. Main thread only.</summary>
    public static class SharedPackages
    {
        private sealed class Entry
        {
            internal FacePackage Package;
            internal int Users;
        }

        private static readonly Dictionary<object, Entry> Entries = new Dictionary<object, Entry>();

        /// <summary>The package of an asset, or where that is null, of a path; give it back with Release().</summary>
        /// <param name="path">Absolute, or relative to Assets/StreamingAssets.</param>
        /// <exception cref="EmoFaceException">There is none, or it cannot be used.</exception>
        public static FacePackage Take(TextAsset asset, string path)
        {
            if (asset == null && string.IsNullOrEmpty(path))
                throw new UsageException("got no package; expected one. Drag a file of the package's Models folder to the " +
                                         "field Package, or give a path.");
            var key = asset != null ? (object)asset : FullPath(path);
            Entry entry;
            if (!Entries.TryGetValue(key, out entry))
            {
                var package = asset != null ? FacePackage.Open(asset.bytes) : FacePackage.Open((string)key);
                entry = new Entry { Package = package };
                Entries.Add(key, entry);
            }
            entry.Users++;
            return entry.Package;
        }

        /// <summary>Give a package back; the last one to do so lets it go.</summary>
        public static void Release(FacePackage package)
        {
            foreach (var pair in Entries)
            {
                if (pair.Value.Package != package) continue;
                if (--pair.Value.Users == 0)
                {
                    Entries.Remove(pair.Key);
                    package.Dispose();
                }
                return;
            }
        }

        private static string FullPath(string path)
        {
            return Path.IsPathRooted(path) ? path : Path.Combine(Application.streamingAssetsPath, path);
        }
    }
}
