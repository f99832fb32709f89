// From a package's right-handed axes to Unreal's: x to the front, y to the character's right, z up, centimetres.
// Standard C++17, no engine.
#pragma once

#include <cstdint>
#include <string>

namespace emoface {

// Component c of Unreal is factor[c] times component source[c] of the package.
struct Coordinates {
    int source[3] = {0, 1, 2};
    double factor[3] = {1, 1, 1};

    void convert(const float* from, double* to) const {
        for (int c = 0; c < 3; ++c) to[c] = factor[c] * from[source[c]];
    }
};

// Read axes as a package states them, "+Y up, +Z front"; false where they have another form.
//
// Triangles keep their order: they are counter-clockwise seen from outside there and here, since the face itself is not
// mirrored, only described by other numbers.
inline bool read_axes(const std::string& text, double unit_in_metres, Coordinates* out) {
    if (text.size() != 15 || text.compare(2, 5, " up, ") != 0 || text.compare(9, 6, " front") != 0) return false;
    const auto axis = [](char letter) { return letter >= 'X' && letter <= 'Z' ? letter - 'X' : -1; };
    const auto sign = [](char mark) { return mark == '+' ? 1 : mark == '-' ? -1 : 0; };
    const int up = axis(text[1]), front = axis(text[8]);
    const int up_sign = sign(text[0]), front_sign = sign(text[7]);
    if (up < 0 || front < 0 || up == front || up_sign == 0 || front_sign == 0) return false;
    const double centimetres = 100.0 * unit_in_metres;
    const bool even = (up + 1) % 3 == front;  // left = up x front is the third axis, or its opposite
    out->source[0] = front;
    out->factor[0] = centimetres * front_sign;
    out->source[1] = 3 - up - front;
    out->factor[1] = -centimetres * up_sign * front_sign * (even ? 1 : -1);
    out->source[2] = up;
    out->factor[2] = centimetres * up_sign;
    return true;
}

}  // namespace emoface
