// Tests of step_kernels.h: every instruction set against double precision, caches moved in place, every kind of bad
// input. Prints one line per failure; exit code 1 if there is one. Run by tests/native/test_cpp.py, also with sanitizers.
#include "checks.h"
#include "step_kernels.h"

using namespace emoface;

namespace {

std::mt19937 random_bits(1);

bool close(float got, double want, double magnitude) { return std::fabs(got - want) <= 2e-6 * magnitude + 1e-7; }

struct Attention {
    AttentionSizes s;
    std::vector<float> query, projected, keys, values, table, y, new_keys, new_values;
    std::vector<int64_t> first;

    explicit Attention(AttentionSizes sizes) : s(sizes) {
        const int64_t row = s.heads * s.width, cached = s.batch * s.heads * s.cache * s.width;
        query = normal(s.batch * s.rows * row, random_bits, 0.3f);
        projected = normal(s.batch * s.rows * 3 * row, random_bits);
        keys = normal(cached, random_bits);
        values = normal(cached, random_bits);
        table = normal(s.tables * (s.cache + 2), random_bits);
        for (int64_t t = 0; t < s.tables; ++t) table[size_t((t + 1) * (s.cache + 2) - 1)] = -1e9f;
        y.resize(query.size());
        new_keys.resize(keys.size());
        new_values.resize(values.size());
        for (int64_t b = 0; b < s.batch; ++b) first.push_back(b == 0 ? 1000 : b);  // the second voice has begun
    }
    Status run(Isa isa) {
        return stream_attention(s, query.data(), projected.data(), keys.data(), values.data(), first.data(),
                                table.data(), y.data(), new_keys.data(), new_values.data(), isa);
    }
    // Key (part 1) or value (part 2) j of old and new ones.
    float at(int64_t part, int64_t b, int64_t h, int64_t j, int64_t c) const {
        const auto& cached = part == 1 ? keys : values;
        if (j < s.cache) return cached[size_t(((b * s.heads + h) * s.cache + j) * s.width + c)];
        return projected[size_t((((b * s.rows + j - s.cache) * 3 + part) * s.heads + h) * s.width + c)];
    }
    bool agrees() const {
        const int64_t all = s.cache + s.rows;
        for (int64_t b = 0; b < s.batch; ++b)
            for (int64_t h = 0; h < s.heads; ++h) {
                for (int64_t a = 0; a < s.rows; ++a) {
                    std::vector<double> scores;
                    double largest = -1e300, total = 0;
                    const int64_t row = (b * s.rows + a) * s.heads * s.width + h * s.width;
                    for (int64_t j = 0; j < all; ++j) {
                        double score = 0;
                        for (int64_t c = 0; c < s.width; ++c) score += double(query[size_t(row + c)]) * at(1, b, h, j, c);
                        const int64_t distance = j - a;
                        const bool seen = distance >= 0 && distance <= s.cache && first[size_t(b)] + j - s.cache >= 0;
                        const int64_t entry = (s.tables == 1 ? 0 : h) * (s.cache + 2) + (seen ? distance : s.cache + 1);
                        score += table[size_t(entry)];
                        scores.push_back(score);
                        largest = std::fmax(largest, score);
                    }
                    for (double& score : scores) total += score = std::exp(score - largest);
                    for (int64_t c = 0; c < s.width; ++c) {
                        double want = 0, magnitude = 0;
                        for (int64_t j = 0; j < all; ++j) {
                            want += scores[size_t(j)] / total * at(2, b, h, j, c);
                            magnitude += scores[size_t(j)] / total * std::fabs(at(2, b, h, j, c));
                        }
                        if (!close(y[size_t(row + c)], want, 3 * magnitude)) return false;
                    }
                }
                for (int64_t j = 0; j < s.cache; ++j)
                    for (int64_t c = 0; c < s.width; ++c) {
                        const size_t to = size_t(((b * s.heads + h) * s.cache + j) * s.width + c);
                        if (new_keys[to] != at(1, b, h, j + s.rows, c) || new_values[to] != at(2, b, h, j + s.rows, c))
                            return false;
                    }
            }
        return true;
    }
};

void test_attention() {
    const AttentionSizes shapes[] = {{1, 1, 4, 16, 299, 4}, {2, 5, 4, 48, 101, 1}, {1, 2, 1, 1, 1, 1},
                                     {3, 3, 2, 7, 5, 2},    {1, 9, 3, 20, 4, 1},   {2, 1, 2, 256, 9, 1}};
    for (Isa isa : available())
        for (const AttentionSizes& sizes : shapes) {
            Attention one(sizes);
            expect(one.run(isa), Status::ok, isa_name(isa));
            check(one.agrees(), "attention against double precision", isa_name(isa));
            const std::vector<float> y = one.y, moved_keys = one.new_keys, moved_values = one.new_values;
            expect(stream_attention(one.s, one.query.data(), one.projected.data(), one.keys.data(), one.values.data(),
                                    one.first.data(), one.table.data(), one.y.data(), one.keys.data(),
                                    one.values.data(), isa),
                   Status::ok, "in place");
            check(one.y == y && one.keys == moved_keys && one.values == moved_values, "caches in place", isa_name(isa));
        }
}

void test_motion_head(bool halves) {
    for (Isa isa : available())
        for (int64_t vertices : {1, 5, 16, 33, 67})
            for (int64_t rank : {1, 7, 32}) {
                std::vector<float> basis = normal(rank * 3 * vertices, random_bits);
                if (halves)  // values that half precision holds, tiny and huge ones among them
                    for (size_t i = 0; i < basis.size(); ++i)
                        basis[i] = i % 7 == 0   ? std::ldexp(float(i % 1024), -24)
                                   : i % 7 == 1 ? -65504.0f / 65536.0f
                                                : std::floor(basis[i] * 512.0f) / 512.0f;
                const std::vector<float> emotion = normal(2 * rank, random_bits), content = normal(2 * rank, random_bits);
                const std::vector<float> weight = normal(2 * vertices, random_bits);
                std::vector<float> offsets(size_t(2 * 3 * vertices)), products(size_t(2 * rank));
                std::unique_ptr<MotionHead> head;
                expect(MotionHead::make(rank, vertices, basis.data(), isa, &head), Status::ok, "make");
                expect(head->run(2, emotion.data(), content.data(), weight.data(), offsets.data(), products.data()),
                       Status::ok, "run");
                bool good = true;
                for (int64_t i = 0; i < 2; ++i) {
                    std::vector<double> product(static_cast<size_t>(rank)), size(static_cast<size_t>(rank));
                    for (int64_t at = 0; at < 3 * vertices; ++at) {
                        const double w = weight[size_t(i * vertices + at / 3)];
                        double want = 0, magnitude = 0;
                        for (int64_t r = 0; r < rank; ++r) {
                            const double c = content[size_t(i * rank + r)], e = emotion[size_t(i * rank + r)];
                            const double b = basis[size_t(r * 3 * vertices + at)];
                            want += (c + w * (e - c)) * b;
                            magnitude += (std::fabs(c) + std::fabs(w) * (std::fabs(e) + std::fabs(c))) * std::fabs(b);
                        }
                        good = good && close(offsets[size_t(i * 3 * vertices + at)], want, magnitude);
                        for (int64_t r = 0; r < rank; ++r) {
                            const double b = basis[size_t(r * 3 * vertices + at)];
                            product[size_t(r)] += want * b;
                            size[size_t(r)] += magnitude * std::fabs(b);
                        }
                    }
                    for (int64_t r = 0; r < rank; ++r)
                        good = good && close(products[size_t(i * rank + r)], product[size_t(r)], size[size_t(r)]);
                }
                check(good, halves ? "motion head of a half basis" : "motion head", isa_name(isa));
            }
}

void test_grouped_conv() {
    const GroupedConvSizes shapes[] = {{192, 16, 33}, {6, 1, 3}, {6, 6, 5}, {34, 2, 1}, {48, 1, 4}};
    for (Isa isa : available())
        for (const GroupedConvSizes& s : shapes)
            for (int64_t steps : {1, 2, 5}) {
                const int64_t width = s.channels / s.groups, length = steps + s.kernel - 1;
                const std::vector<float> x = normal(2 * length * s.channels, random_bits);
                const std::vector<float> weight = normal(s.channels * width * s.kernel, random_bits);
                const std::vector<float> bias = normal(s.channels, random_bits);
                std::vector<float> y(size_t(2 * steps * s.channels));
                std::unique_ptr<GroupedConv> conv;
                expect(GroupedConv::make(s, weight.data(), bias.data(), isa, &conv), Status::ok, "make");
                expect(conv->run(2, length, x.data(), y.data()), Status::ok, "run");
                bool good = true;
                for (int64_t b = 0; b < 2; ++b)
                    for (int64_t t = 0; t < steps; ++t)
                        for (int64_t o = 0; o < s.channels; ++o) {
                            double want = bias[size_t(o)], magnitude = std::fabs(want);
                            for (int64_t c = 0; c < width; ++c)
                                for (int64_t k = 0; k < s.kernel; ++k) {
                                    const int64_t from = (b * length + t + k) * s.channels + o / width * width + c;
                                    const double term = double(weight[size_t((o * width + c) * s.kernel + k)]) * x[size_t(from)];
                                    want += term;
                                    magnitude += std::fabs(term);
                                }
                            good = good && close(y[size_t((b * steps + t) * s.channels + o)], want, magnitude);
                        }
                check(good, "grouped convolution against double precision", isa_name(isa));
            }
}

void test_moves() {
    const std::vector<float> x = normal(2 * 7 * 3, random_bits);
    std::vector<float> y(size_t(2 * 3 * 9));
    expect(unfold_rows(2, 7, 3, 3, 2, x.data(), y.data()), Status::ok, "unfold");
    bool good = true;
    for (size_t b = 0; b < 2; ++b)
        for (size_t t = 0; t < 3; ++t)
            for (size_t i = 0; i < 9; ++i) good = good && y[(b * 3 + t) * 9 + i] == x[(b * 7 + 2 * t) * 3 + i];
    check(good, "windows", "unfold");
    for (int64_t rows : {1, 2, 5}) {  // fewer, as many and more than wait
        const int64_t width = 3, all = 4, start = 1, count = 2;
        const std::vector<float> in = normal(rows * width, random_bits), projected = normal(rows * 3 * width, random_bits);
        const std::vector<float> waiting = normal(all * 2 * width, random_bits);
        std::vector<float> out(in.size()), query(in.size()), rest(size_t(count * 2 * width));
        expect(delay_rows(1, rows, width, all, start, count, in.data(), projected.data(), waiting.data(), out.data(),
                          query.data(), rest.data()),
               Status::ok, "delay");
        good = true;
        for (int64_t i = 0; i < rows + count; ++i)
            for (int64_t c = 0; c < width; ++c) {
                const float row = i < count ? waiting[size_t((start + i) * 2 * width + c)] : in[size_t((i - count) * width + c)];
                const float its = i < count ? waiting[size_t((start + i) * 2 * width + width + c)]
                                            : projected[size_t((i - count) * 3 * width + c)];
                const int64_t to = i < rows ? i * width + c : (i - rows) * 2 * width + c;
                good = good && (i < rows ? out[size_t(to)] : rest[size_t(to)]) == row;
                good = good && (i < rows ? query[size_t(to)] : rest[size_t(to + width)]) == its;
            }
        check(good, "rows that wait", "delay");
    }
}

const float* odd(const std::vector<float>& values) {
    return reinterpret_cast<const float*>(reinterpret_cast<const char*>(values.data()) + 1);
}

void test_bad_input() {
    const int64_t huge = std::numeric_limits<int64_t>::max() / 2;
    Attention a({1, 2, 2, 4, 3, 1});
    auto attend = [&](AttentionSizes sizes, const float* query, const int64_t* first) {
        return stream_attention(sizes, query, a.projected.data(), a.keys.data(), a.values.data(), first, a.table.data(),
                                a.y.data(), a.new_keys.data(), a.new_values.data(), Isa::automatic);
    };
    expect(attend(a.s, nullptr, a.first.data()), Status::null_pointer, "attention of a null pointer");
    expect(attend(a.s, odd(a.query), a.first.data()), Status::misaligned, "attention of a misaligned pointer");
    for (int64_t wrong : {int64_t(0), int64_t(-1), huge}) {
        expect(attend({wrong, 2, 2, 4, 3, 1}, a.query.data(), a.first.data()), Status::bad_size, "batch");
        expect(attend({1, wrong, 2, 4, 3, 1}, a.query.data(), a.first.data()), Status::bad_size, "rows");
        expect(attend({1, 2, 2, 4, wrong, 1}, a.query.data(), a.first.data()), Status::bad_size, "cache");
        expect(attend({1, 2, 2, 4, 3, wrong}, a.query.data(), a.first.data()), Status::bad_size, "tables");
        std::unique_ptr<MotionHead> head;
        expect(MotionHead::make(wrong, 2, a.keys.data(), Isa::automatic, &head), Status::bad_size, "rank");
        std::unique_ptr<GroupedConv> conv;
        expect(GroupedConv::make({wrong, 1, 1}, a.keys.data(), a.keys.data(), Isa::automatic, &conv), Status::bad_size, "D");
        expect(unfold_rows(1, wrong, 3, 2, 1, a.keys.data(), a.y.data()), Status::bad_size, "length");
        expect(delay_rows(1, wrong, 1, 2, 0, 1, a.keys.data(), a.keys.data(), a.keys.data(), a.y.data(), a.y.data(), a.y.data()),
               Status::bad_size, "rows that wait");
    }
    std::unique_ptr<MotionHead> head;
    expect(MotionHead::make(1, 2, nullptr, Isa::automatic, &head), Status::null_pointer, "no basis");
    expect(MotionHead::make(1, 2, odd(a.keys), Isa::automatic, &head), Status::misaligned, "misaligned basis");
    expect(MotionHead::make(1, 2, a.keys.data(), Isa::automatic, &head), Status::ok, "basis");
    expect(head->run(0, a.y.data(), a.y.data(), a.y.data(), a.new_keys.data(), a.new_values.data()), Status::bad_size, "no frames");
    expect(head->run(1, nullptr, a.y.data(), a.y.data(), a.new_keys.data(), a.new_values.data()), Status::null_pointer, "no emotion");
    std::unique_ptr<GroupedConv> conv;
    expect(GroupedConv::make({3, 2, 1}, a.keys.data(), a.keys.data(), Isa::automatic, &conv), Status::bad_size, "uneven groups");
    expect(GroupedConv::make({2, 1, 2}, a.keys.data(), a.keys.data(), Isa::automatic, &conv), Status::ok, "conv");
    expect(conv->run(1, 1, a.keys.data(), a.y.data()), Status::bad_size, "fewer rows than the kernel");
    expect(conv->run(1, 3, nullptr, a.y.data()), Status::null_pointer, "no rows");
    expect(unfold_rows(1, 2, 1, 3, 1, a.keys.data(), a.y.data()), Status::bad_size, "a window longer than all");
    expect(delay_rows(1, 1, 1, 2, 1, 2, a.keys.data(), a.keys.data(), a.keys.data(), a.y.data(), a.y.data(), a.y.data()),
           Status::bad_size, "rows that are not there");
}

}  // namespace

int main() {
    test_attention();
    test_motion_head(false);
    test_motion_head(true);
    test_grouped_conv();
    test_moves();
    test_bad_input();
    return report();
}
