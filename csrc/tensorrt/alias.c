/* The library `libtensorrt_rtx.so`: empty, and dependent on `libtensorrt_rtx.so.1`.

   TensorRT for RTX's ONNX parser opens the first name when a plugin is involved and ends the process if it is not found;
   NVIDIA's Python wheel ships only the second. Loaded after the wheel, this one answers for the name. */
int emoface_stands_for_libtensorrt_rtx;
