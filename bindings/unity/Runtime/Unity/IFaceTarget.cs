using System;

namespace EmoFace
{
    /// <summary>What frames are shown on. Show() is called once per picture and allocates nothing.</summary>
    internal interface IFaceTarget : IDisposable
    {
        /// <summary>What it needs frames to carry.</summary>
        Outputs Needs { get; }

        /// <summary>Show the one frame in `frame`; `strength` scales the motion, 1 as it is.</summary>
        void Show(FrameBuffer frame, float strength);
    }
}
