// The operators of step_kernels.h and vertex_frames.h for ONNX Runtime, float and half.
#pragma once

#include <onnxruntime_cxx_api.h>

namespace emoface::ort {

void add_step_operators(Ort::CustomOpDomain& domain);

}  // namespace emoface::ort
