#include "head_pose.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "failure.h"

namespace emoface::runtime {
namespace {

using Vector = std::array<double, 3>;
using Quaternion = std::array<double, 4>;  // x, y, z, w

// As emoface.head_pose: how far a graph's rotation may be off orthonormal, and how far a head may go in metres.
constexpr double kMostOff = 1e-3, kFarthestHead = 1000.0;
// Nearer quaternions than this lie on a line for all that float64 can tell.
constexpr double kNear = 0.9999999;

[[noreturn]] void refuse_pose(const std::string& got, const std::string& expected) {
    fail(EMOFACE_ERROR_RUNTIME, got, expected,
         "Call emoface_reset(). If it happens again, verify the package with emoface_verify().");
}

double dot(const Vector& a, const Vector& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

Vector cross(const Vector& a, const Vector& b) {
    return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

double dot(const Quaternion& a, const Quaternion& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3]; }

Quaternion normalised(Quaternion q) {
    const double length = std::sqrt(dot(q, q));
    for (double& part : q) part = part / length;
    return q;
}

// The unit quaternion of a rotation, w >= 0.
Quaternion quaternion(const float* rotation) {
    double r[9];
    std::copy_n(rotation, 9, r);
    const double xx = r[0], xy = r[1], xz = r[2], yx = r[3], yy = r[4], yz = r[5], zx = r[6], zy = r[7], zz = r[8];
    // Four times the products of the quaternion's parts with each other. The largest part divides best.
    const Quaternion rows[4] = {{1.0 + xx - yy - zz, xy + yx, xz + zx, zy - yz},
                                {xy + yx, 1.0 - xx + yy - zz, yz + zy, xz - zx},
                                {xz + zx, yz + zy, 1.0 - xx - yy + zz, yx - xy},
                                {zy - yz, xz - zx, yx - xy, 1.0 + xx + yy + zz}};
    size_t largest = 0;
    for (size_t row = 1; row < 4; ++row)
        if (rows[row][row] > rows[largest][largest]) largest = row;
    Quaternion q = normalised(rows[largest]);
    if (q[3] < 0)
        for (double& part : q) part = -part;
    return q;
}

std::array<double, 9> matrix(const Quaternion& q) {
    const double x = q[0], y = q[1], z = q[2], w = q[3];
    return {1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w),       2.0 * (x * z + y * w),
                            2.0 * (x * y + z * w),       1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w),
            2.0 * (x * z - y * w),       2.0 * (y * z + x * w),       1.0 - 2.0 * (x * x + y * y)};
}

void write_matrix(const Quaternion& q, float* made) {
    const std::array<double, 9> rows = matrix(q);
    for (size_t i = 0; i < 9; ++i) made[i] = float(rows[i]);
}

// Gram and Schmidt's of the first two columns, and the third at right angles.
void write_orthonormal(Vector x, Vector y, float* made) {
    const double length = std::sqrt(dot(x, x));
    for (double& part : x) part = part / length;
    const double along = dot(x, y);
    for (size_t i = 0; i < 3; ++i) y[i] = y[i] - along * x[i];
    const double rest = std::sqrt(dot(y, y));
    for (double& part : y) part = part / rest;
    const Vector z = cross(x, y);
    for (size_t row = 0; row < 3; ++row) {
        made[3 * row] = float(x[row]);
        made[3 * row + 1] = float(y[row]);
        made[3 * row + 2] = float(z[row]);
    }
}

}  // namespace

void checked_rotation(const float* rotation, const float* translation, double unit_in_metres, float* made) {
    bool finite = true;
    for (size_t i = 0; i < 9; ++i) finite &= std::isfinite(rotation[i]);
    for (size_t i = 0; i < 3; ++i) finite &= std::isfinite(translation[i]);
    if (!finite) refuse_pose("a NaN or infinite head pose from the graphs", "finite head poses");
    Vector columns[3];
    for (size_t column = 0; column < 3; ++column)
        columns[column] = {double(rotation[column]), double(rotation[3 + column]), double(rotation[6 + column])};
    for (size_t a = 0; a < 3; ++a)
        for (size_t b = a; b < 3; ++b) {
            const double off = std::fabs(dot(columns[a], columns[b]) - (a == b ? 1.0 : 0.0));
            if (off > kMostOff)
                refuse_pose("a head rotation from the graphs whose columns are off orthonormal by " + std::to_string(off),
                            "at most " + std::to_string(kMostOff));
        }
    if (!(dot(columns[0], cross(columns[1], columns[2])) > 0))
        refuse_pose("a head rotation from the graphs that is a reflection", "determinant 1");
    const Vector moved = {double(translation[0]), double(translation[1]), double(translation[2])};
    const double distance = std::sqrt(dot(moved, moved)) * unit_in_metres;
    if (distance > kFarthestHead)
        refuse_pose("a head translation from the graphs of " + std::to_string(distance) + " m",
                    "at most " + std::to_string(int(kFarthestHead)) + " m");
    write_orthonormal(columns[0], columns[1], made);
}

void turned_about(const double* turns, const float* pivot, bool posed, float* rotation, float* translation) {
    const std::array<double, 9> turned = matrix(normalised({turns[0] * 0.5, turns[1] * 0.5, turns[2] * 0.5, 1.0}));
    const Vector at = {double(pivot[0]), double(pivot[1]), double(pivot[2])};
    Vector moved;
    for (size_t row = 0; row < 3; ++row)
        moved[row] = at[row] - dot(Vector{turned[3 * row], turned[3 * row + 1], turned[3 * row + 2]}, at);
    if (!posed) {
        for (size_t i = 0; i < 9; ++i) rotation[i] = float(turned[i]);
        for (size_t i = 0; i < 3; ++i) translation[i] = float(moved[i]);
        return;
    }
    Vector columns[2], shifted;
    for (size_t row = 0; row < 3; ++row) {
        const Vector after = {double(rotation[3 * row]), double(rotation[3 * row + 1]), double(rotation[3 * row + 2])};
        for (size_t k = 0; k < 2; ++k) columns[k][row] = dot(after, Vector{turned[k], turned[3 + k], turned[6 + k]});
        shifted[row] = dot(after, moved) + double(translation[row]);
    }
    write_orthonormal(columns[0], columns[1], rotation);
    for (size_t i = 0; i < 3; ++i) translation[i] = float(shifted[i]);
}

void towards_rest(const float* rotation, float share, float* made) {
    if (share == 1.0f) {
        std::copy_n(rotation, 9, made);
        return;
    }
    Quaternion q = quaternion(rotation);
    for (double& part : q) part = part * double(share);
    q[3] = q[3] + (1.0 - double(share));
    write_matrix(normalised(q), made);
}

void slerp(const float* first, const float* second, float share, float* made) {
    if (share == 0.0f) {
        std::copy_n(first, 9, made);
        return;
    }
    const Quaternion start = quaternion(first);
    Quaternion end = quaternion(second);
    double near = dot(start, end);
    if (near < 0) {
        near = -near;
        for (double& part : end) part = -part;
    }
    double from = 1.0 - double(share), to = double(share);
    if (near < kNear) {
        const double angle = std::acos(near), whole = std::sin(angle);
        from = std::sin(from * angle) / whole;
        to = std::sin(to * angle) / whole;
    }
    Quaternion q;
    for (size_t i = 0; i < 4; ++i) q[i] = start[i] * from + end[i] * to;
    write_matrix(normalised(q), made);
}

}  // namespace emoface::runtime
