using UnityEngine;

namespace EmoFace.Samples
{
    /// <summary>Keys 1 to 9 choose an emotion in the order of the package, 0 lets the voice decide. (Uses the built-in
    /// input: Edit > Project Settings > Player > Active Input Handling must contain it.)</summary>
    [RequireComponent(typeof(EmoFaceAnimator))]
    public sealed class EmotionKeys : MonoBehaviour
    {
        private EmoFaceAnimator _face;

        private void Start() { _face = GetComponent<EmoFaceAnimator>(); }

        private void Update()
        {
            if (_face.Loaded == null) return;
            if (Input.GetKeyDown(KeyCode.Alpha0)) _face.Emotion = "auto";
            for (var index = 0; index < _face.Loaded.Emotions.Count && index < 9; index++)
                if (Input.GetKeyDown(KeyCode.Alpha1 + index))
                    _face.Emotion = _face.Loaded.Emotions[index];
        }
    }
}
