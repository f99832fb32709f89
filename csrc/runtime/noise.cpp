#include "noise.h"

#include <algorithm>
#include <cmath>

#include "counter_hash.h"

namespace emoface::runtime {
namespace {

// Coefficients of algorithm AS 241 (PPND16), the highest power first.
constexpr double kCentre[2][8] = {
    {2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
     1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0},
    {5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
     5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0}};
constexpr double kSide[2][8] = {
    {7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
     3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0},
    {1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
     6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0}};
constexpr double kTail[2][8] = {
    {2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
     2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0},
    {2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
     1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0}};
// log m = 2 s (1 + s^2 / 3 + s^4 / 5 + ...) with s = (m - 1) / (m + 1), m between sqrt(1/2) and sqrt(2).
constexpr double kAtanh[12] = {1.0 / 23.0, 1.0 / 21.0, 1.0 / 19.0, 1.0 / 17.0, 1.0 / 15.0, 1.0 / 13.0,
                               1.0 / 11.0, 1.0 / 9.0,  1.0 / 7.0,  1.0 / 5.0,  1.0 / 3.0,  1.0};
constexpr double kSqrtHalf = 0.7071067811865476, kLn2 = 0.6931471805599453;

template <size_t N>
double horner(const double (&coefficients)[N], double x) {
    double value = coefficients[0];
    for (size_t i = 1; i < N; ++i) value = value * x + coefficients[i];
    return value;
}

double ratio(const double (&coefficients)[2][8], double x) {
    return horner(coefficients[0], x) / horner(coefficients[1], x);
}

// The natural logarithm of a positive normal number, from + - * / alone: libraries differ in the last bit.
double logarithm(double x) {
    int exponent = 0;
    double m = std::frexp(x, &exponent);
    if (m < kSqrtHalf) {
        m = m * 2.0;
        --exponent;
    }
    const double s = (m - 1.0) / (m + 1.0);
    return double(exponent) * kLn2 + 2.0 * s * horner(kAtanh, s * s);
}

}  // namespace

double standard_normal(uint64_t bits) {
    // 52 bits and a half: exact, and never 0 or 1.
    const double uniform = (double(bits >> 12) + 0.5) * 0x1p-52;
    const double q = uniform - 0.5;
    if (std::fabs(q) <= 0.425) return q * ratio(kCentre, 0.180625 - q * q);
    const double r = std::sqrt(-logarithm(std::min(uniform, 1.0 - uniform)));
    const double size = r <= 5.0 ? ratio(kSide, r - 1.6) : ratio(kTail, r - 5.0);
    return uniform < 0.5 ? -size : size;
}

NoiseSource::NoiseSource(const Manifest& manifest, uint64_t seed) : manifest_(manifest) {
    for (size_t number = 0; number < manifest.noise.size(); ++number) begin_.push_back(mixed(mixed(seed) ^ number));
}

void NoiseSource::write(size_t noise, int64_t first, int64_t count, float* values) const {
    const uint64_t size = uint64_t(manifest_.noise[noise].size);
    for (int64_t item = first; item < first + count; ++item) {
        const uint64_t base = mixed(begin_[noise] ^ uint64_t(item));
        for (uint64_t index = 0; index < size; ++index)
            *values++ = float(standard_normal(mixed(base + (index + 1) * kCounterStep)));
    }
}

}  // namespace emoface::runtime
