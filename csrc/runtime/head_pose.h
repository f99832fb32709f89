// Poses of the head, as emoface.head_pose has them: float64 with + - * / and square roots alone, in the order written
// there, so that both give the same bits.
#pragma once

namespace emoface::runtime {

// A graph's rotation [3, 3], made orthonormal with determinant +1. Failure (RUNTIME) for a pose that is not finite, a
// rotation that is none, and a translation beyond 1000 m.
void checked_rotation(const float* rotation, const float* translation, double unit_in_metres, float* made);

// A rotation of which a share from 0 to 1 is left, the rest being none: normalised lerp. 1 leaves its bits as they are.
void towards_rest(const float* rotation, float share, float* made);

// A rotation on the way from one to another, by a share from 0 to 1: slerp, the short way. 0 gives the bits of `first`.
void slerp(const float* first, const float* second, float share, float* made);

}  // namespace emoface::runtime
