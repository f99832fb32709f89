#include "retarget.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "failure.h"
#include "package.h"

namespace emoface::runtime {
namespace {

constexpr double kReach = 0.08;  // of the face's height: radius over which a part's turn and size are measured
constexpr double kFar = 100.0;   // squared radii; farther vertices weigh less than 2e-22 of the nearest

using Vector = std::array<double, 3>;

double dot(const Vector& a, const Vector& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

Vector cross(const Vector& a, const Vector& b) {
    return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

Vector scaled(const Vector& a, double factor) { return {a[0] * factor, a[1] * factor, a[2] * factor}; }

// A unit vector at right angles to another.
Vector across(const Vector& unit) {
    size_t least = 0;
    for (size_t axis = 1; axis < 3; ++axis)
        if (std::fabs(unit[axis]) < std::fabs(unit[least])) least = axis;
    Vector axis{};
    axis[least] = 1.0;
    const Vector found = cross(unit, axis);
    return scaled(found, 1.0 / std::sqrt(dot(found, found)));
}

// Vertices [V, 3] about their mean: the sums below are differences of large products.
std::vector<Vector> centred(const float* vertices, size_t count) {
    std::vector<Vector> points(count);
    Vector mean{};
    for (size_t i = 0; i < count; ++i)
        for (size_t axis = 0; axis < 3; ++axis) mean[axis] += points[i][axis] = double(vertices[3 * i + axis]);
    for (Vector& point : points)
        for (size_t axis = 0; axis < 3; ++axis) point[axis] -= mean[axis] / double(count);
    return points;
}

double extent(const float* vertices, size_t count, size_t axis) {
    float low = vertices[axis], high = low;
    for (size_t i = 0; i < count; ++i) {
        low = std::min(low, vertices[3 * i + axis]);
        high = std::max(high, vertices[3 * i + axis]);
    }
    return double(high) - double(low);
}

// The rotation R that makes trace(R' covariance) largest, times that trace over `spread` (Umeyama 1991). Singular vectors
// come from one-sided Jacobi; the third of each side is the cross product of the others, so that R never reflects.
void best_turn(const double covariance[9], double spread, float* transform) {
    Vector columns[3], right[3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    for (size_t j = 0; j < 3; ++j) columns[j] = {covariance[j], covariance[3 + j], covariance[6 + j]};
    const auto rotate = [](Vector& a, Vector& b, double cosine, double sine) {
        for (size_t i = 0; i < 3; ++i) {
            const double x = a[i], y = b[i];
            a[i] = cosine * x - sine * y;
            b[i] = sine * x + cosine * y;
        }
    };
    for (int sweep = 0; sweep < 30; ++sweep) {
        bool done = true;
        for (const auto& [p, q] : {std::pair<size_t, size_t>{0, 1}, {0, 2}, {1, 2}}) {
            const double a = dot(columns[p], columns[p]), b = dot(columns[q], columns[q]), c = dot(columns[p], columns[q]);
            if (std::fabs(c) <= 1e-15 * std::sqrt(a * b)) continue;
            done = false;
            const double zeta = (b - a) / (2.0 * c);
            const double tangent = (zeta >= 0 ? 1.0 : -1.0) / (std::fabs(zeta) + std::sqrt(1.0 + zeta * zeta));
            const double cosine = 1.0 / std::sqrt(1.0 + tangent * tangent);
            rotate(columns[p], columns[q], cosine, cosine * tangent);
            rotate(right[p], right[q], cosine, cosine * tangent);
        }
        if (done) break;
    }
    std::array<size_t, 3> order = {0, 1, 2};
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return dot(columns[a], columns[a]) > dot(columns[b], columns[b]); });
    const Vector v1 = right[order[0]], v2 = right[order[1]], v3 = cross(v1, v2);
    const double s1 = std::sqrt(dot(columns[order[0]], columns[order[0]])), s2 = std::sqrt(dot(columns[order[1]], columns[order[1]]));
    const Vector u1 = s1 > 0 ? scaled(columns[order[0]], 1.0 / s1) : v1;
    const Vector u2 = s2 > 1e-14 * s1 ? scaled(columns[order[1]], 1.0 / s2) : s1 > 0 ? across(u1) : v2;
    const Vector u3 = cross(u1, u2);
    // The third singular value, negative where the covariance reflects.
    double s3 = 0.0;
    for (size_t i = 0; i < 3; ++i)
        for (size_t j = 0; j < 3; ++j) s3 += u3[i] * covariance[3 * i + j] * v3[j];
    const double scale = (s1 + s2 + s3) / spread;
    for (size_t i = 0; i < 3; ++i)
        for (size_t j = 0; j < 3; ++j) transform[3 * i + j] = float((u1[i] * v1[j] + u2[i] * v2[j] + u3[i] * v3[j]) * scale);
}

}  // namespace

Retarget::Retarget(const Package& package, const float* target, int64_t vertices, const int32_t* faces, int64_t triangles) {
    const Face& face = package.face();
    const size_t count = face.vertices.size() / 3;
    if (vertices != int64_t(count))
        fail(EMOFACE_ERROR_TEMPLATE, "a mesh of " + std::to_string(vertices) + " vertices to retarget to",
             std::to_string(count) + ", the same topology", "Use a mesh with the same vertices in the same order.");
    if (faces != nullptr && (triangles != int64_t(face.triangles.size() / 3) ||
                             !std::equal(face.triangles.begin(), face.triangles.end(), faces)))
        fail(EMOFACE_ERROR_TEMPLATE, "a mesh of other triangles to retarget to", "the package's triangles, the same topology",
             "Use a mesh with the same triangles in the same order.");
    bool sound = std::all_of(target, target + 3 * count, [](float value) { return std::isfinite(value); });
    for (size_t axis = 0; axis < 3; ++axis) sound = sound && extent(target, count, axis) > 0;
    if (!sound) fail(EMOFACE_ERROR_TEMPLATE, "a flat mesh, or one with NaN coordinates", "a face with extent", "Repair the mesh.");

    const double radius = kReach * extent(face.vertices.data(), count, 1);
    const std::vector<Vector> a = centred(face.vertices.data(), count), b = centred(target, count);
    transforms_.resize(9 * count);
    for (size_t vertex = 0; vertex < count; ++vertex) {
        double total = 0.0, square = 0.0, products[9] = {};
        Vector mean_a{}, mean_b{};
        for (size_t other = 0; other < count; ++other) {
            const Vector& from = a[other];
            const Vector& to = b[other];
            const double x = from[0] - a[vertex][0], y = from[1] - a[vertex][1], z = from[2] - a[vertex][2];
            const double away = (x * x + y * y + z * z) / (radius * radius);
            if (!(away < kFar)) continue;
            const double weight = std::exp(-0.5 * away);
            total += weight;
            square += weight * dot(from, from);
            for (size_t i = 0; i < 3; ++i) {
                mean_a[i] += weight * from[i];
                mean_b[i] += weight * to[i];
                for (size_t j = 0; j < 3; ++j) products[3 * i + j] += weight * to[i] * from[j];
            }
        }
        if (!(total > 0)) fail(EMOFACE_ERROR_PACKAGE, "a face without height", "a face with extent", "Repair the package.");
        mean_a = scaled(mean_a, 1.0 / total);
        mean_b = scaled(mean_b, 1.0 / total);
        for (size_t i = 0; i < 3; ++i)
            for (size_t j = 0; j < 3; ++j) products[3 * i + j] = products[3 * i + j] / total - mean_b[i] * mean_a[j];
        const double spread = std::max(square / total - dot(mean_a, mean_a), 1e-12 * radius * radius);
        best_turn(products, spread, transforms_.data() + 9 * vertex);
    }
}

void Retarget::offsets(const float* given, int64_t count, float* moved) const {
    const size_t vertices = transforms_.size() / 9;
    for (int64_t frame = 0; frame < count; ++frame)
        for (size_t vertex = 0; vertex < vertices; ++vertex) {
            const float* transform = transforms_.data() + 9 * vertex;
            const float* from = given + (size_t(frame) * vertices + vertex) * 3;
            const float x = from[0], y = from[1], z = from[2];
            float* to = moved + (size_t(frame) * vertices + vertex) * 3;
            for (size_t axis = 0; axis < 3; ++axis)
                to[axis] = transform[3 * axis] * x + transform[3 * axis + 1] * y + transform[3 * axis + 2] * z;
        }
}

}  // namespace emoface::runtime
