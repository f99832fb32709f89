// Poses of the head, as emoface.head_pose has them: float64 with + - * / and square roots alone, in the order written
// there, so that both give the same bits.
#pragma once

namespace emoface::runtime {

// A graph's rotation [3, 3], made orthonormal with determinant +1. Failure (RUNTIME) for a pose that is not finite, a
// rotation that is none, and a translation beyond 1000 m.
void checked_rotation(const float* rotation, const float* translation, double unit_in_metres, float* made);

// A rotation of which a share from 0 to 1 is left, the rest being none: normalised lerp. 1 leaves its bits as they are.
void towards_rest(const float* rotation, float share, float* made);

// The pose of a head that first turns about a pivot [3]: by `turns` [3], radians about X, Y, Z, together much less than half
// a turn. `posed`: what rotation [3, 3] and translation [3] hold follows; else they are only written.
void turned_about(const double* turns, const float* pivot, bool posed, float* rotation, float* translation);

// A rotation on the way from one to another, by a share from 0 to 1: slerp, the short way. 0 gives the bits of `first`.
void slerp(const float* first, const float* second, float share, float* made);

}  // namespace emoface::runtime
