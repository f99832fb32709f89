// Included inside an anonymous namespace, once per instruction set.

// exp for x <= 88.7 (larger: the value there); below -87.3 it is the smallest normal number, in effect 0.
EMOFACE_INLINE static float exponential(float x) {
    x = x > 88.7f ? 88.7f : x;
    x = x < -87.3f ? -87.3f : x;
    // x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, so that r is exact. Adding 1.5 * 2^23 rounds to integer.
    const float shifted = x * 1.44269504f + 12582912.0f;
    const float n = shifted - 12582912.0f;
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;  // minimax polynomial of (exp(r) - 1 - r) / r^2 (Cephes expf)
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    union { int32_t bits; float value; } power;
    power.bits = (int32_t(n) + 127) * (1 << 23);
    return p * power.value;
}
