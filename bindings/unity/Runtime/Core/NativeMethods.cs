using System;
using System.Runtime.InteropServices;

namespace EmoFace
{
    /// <summary>The functions of <c>emoface.h</c>. Everything that crosses is blittable, so nothing is copied or
    /// allocated on the way.</summary>
    internal static unsafe class NativeMethods
    {
#if (UNITY_IOS || UNITY_WEBGL) && !UNITY_EDITOR
        private const string Name = "__Internal";
#else
        private const string Name = "emoface";
#endif
        private const CallingConvention C = CallingConvention.Cdecl;

        [DllImport(Name, CallingConvention = C)] internal static extern IntPtr emoface_version();
        [DllImport(Name, CallingConvention = C)] internal static extern int emoface_abi_version();
        [DllImport(Name, CallingConvention = C)] internal static extern IntPtr emoface_status_name(int status);
        [DllImport(Name, CallingConvention = C)] internal static extern IntPtr emoface_last_error();
        [DllImport(Name, CallingConvention = C)] internal static extern IntPtr emoface_last_error_part(int part);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_set_log(NativeLogCallback callback, IntPtr user);
        [DllImport(Name, CallingConvention = C)] internal static extern int emoface_onnxruntime_load(byte[] path);
        [DllImport(Name, CallingConvention = C)] internal static extern IntPtr emoface_onnxruntime_version();
        [DllImport(Name, CallingConvention = C)] internal static extern IntPtr emoface_onnxruntime_path();

        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_package_open(byte[] path, out IntPtr package);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_package_open_memory(byte* data, long size, out IntPtr package);
        [DllImport(Name, CallingConvention = C)] internal static extern void emoface_package_release(IntPtr package);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_package_get_info(PackageHandle package, ref NativePackageInfo info);
        [DllImport(Name, CallingConvention = C)]
        internal static extern IntPtr emoface_package_text(PackageHandle package, int text);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_package_name_count(PackageHandle package, int list);
        [DllImport(Name, CallingConvention = C)]
        internal static extern IntPtr emoface_package_name(PackageHandle package, int list, int index);
        [DllImport(Name, CallingConvention = C)]
        internal static extern IntPtr emoface_package_template(PackageHandle package);
        [DllImport(Name, CallingConvention = C)]
        internal static extern IntPtr emoface_package_faces(PackageHandle package);
        [DllImport(Name, CallingConvention = C)]
        internal static extern IntPtr emoface_package_colours(PackageHandle package);
        [DllImport(Name, CallingConvention = C)]
        internal static extern IntPtr emoface_package_mask(PackageHandle package, byte[] name, out long count);
        [DllImport(Name, CallingConvention = C)]
        internal static extern IntPtr emoface_package_identity(PackageHandle package, byte[] name);
        [DllImport(Name, CallingConvention = C)]
        internal static extern IntPtr emoface_package_pivots(PackageHandle package, byte[] identity);
        [DllImport(Name, CallingConvention = C)]
        internal static extern IntPtr emoface_package_uvs(PackageHandle package, out long count);
        [DllImport(Name, CallingConvention = C)]
        internal static extern IntPtr emoface_package_uv_faces(PackageHandle package);
        [DllImport(Name, CallingConvention = C)]
        internal static extern IntPtr emoface_package_normal_groups(PackageHandle package);
        [DllImport(Name, CallingConvention = C)]
        internal static extern IntPtr emoface_package_texture(PackageHandle package, byte[] name, out long size);
        [DllImport(Name, CallingConvention = C)]
        internal static extern IntPtr emoface_package_blendshape(PackageHandle package, int index);
        [DllImport(Name, CallingConvention = C)]
        internal static extern IntPtr emoface_package_basis(PackageHandle package, byte[] identity, int index);

        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_read_person(PackageHandle package, byte[] condition, byte* json, long size,
                                                       float* values, long capacity, out long count);

        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_animator_create(PackageHandle package, ref NativeAnimatorConfig config,
                                                           out IntPtr animator);
        [DllImport(Name, CallingConvention = C)] internal static extern void emoface_animator_release(IntPtr animator);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_animator_get_info(AnimatorHandle animator, ref NativeAnimatorInfo info);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_step(AnimatorHandle animator, void* samples, long count, NativeFrames* frames,
                                                long capacity, out long written);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_step_frames(AnimatorHandle animator, long count, out long frames);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_flush(AnimatorHandle animator, double tailSeconds, NativeFrames* frames,
                                                 long capacity, out long written);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_flush_frames(AnimatorHandle animator, double tailSeconds, out long frames);
        [DllImport(Name, CallingConvention = C)] internal static extern int emoface_reset(AnimatorHandle animator);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_snapshot(AnimatorHandle animator, byte* buffer, long capacity,
                                                    out long written);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_restore(AnimatorHandle animator, byte* data, long size);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_set_style(AnimatorHandle animator, byte[] name, double at);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_set_emotion(AnimatorHandle animator, byte[] name, double at);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_set_level(AnimatorHandle animator, byte[] name, double at);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_set_person(AnimatorHandle animator, byte[] name, double at);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_set_condition(AnimatorHandle animator, byte[] condition, float* values,
                                                         long count, double at);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_set_emotion_keys(AnimatorHandle animator, NativeEmotionKey* keys, long count,
                                                            ref NativeEmotionBlending blending);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_calibrate(AnimatorHandle animator, float* samples, long count, int rate,
                                                     double at, ref NativeCalibration result);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_start(AnimatorHandle animator, ref NativeRealtimeConfig config);
        [DllImport(Name, CallingConvention = C)] internal static extern int emoface_stop(AnimatorHandle animator);
        // By the bare pointer: the audio thread must not meet an exception for a handle that is being closed.
        // FaceAnimator.Push guards its life.
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_push(IntPtr animator, void* samples, long count);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_sample(AnimatorHandle animator, double audioTime, NativeFrames* frames);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_get_statistics(AnimatorHandle animator, ref NativeStatistics statistics);

        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_solver_create(PackageHandle package, ref NativeSolverConfig config,
                                                         out IntPtr solver);
        [DllImport(Name, CallingConvention = C)] internal static extern void emoface_solver_release(IntPtr solver);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_solver_solve(SolverHandle solver, float* offsets, float* weights);
        [DllImport(Name, CallingConvention = C)] internal static extern int emoface_solver_reset(SolverHandle solver);
        [DllImport(Name, CallingConvention = C)]
        internal static extern int emoface_verify(PackageHandle package, ref NativeAnimatorConfig config,
                                                  ref NativeVerification result);
    }

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    internal delegate void NativeLogCallback(int level, IntPtr message, IntPtr user);
}
