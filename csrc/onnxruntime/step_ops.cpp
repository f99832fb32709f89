// The nodes emoface::StreamAttention, MotionHead, GroupedConv, VertexLayer, Unfold and Delay (version 1) for ONNX
// Runtime's CPU provider. Shapes are those of the schemas in export/emoface_export/step_onnx.py.
#define ORT_API_MANUAL_INIT
#include "step_ops.h"

#include <memory>

#include "op_support.h"
#include "step_kernels.h"
#include "vertex_frames.h"

namespace emoface::ort {
namespace {

constexpr int none = -1;

// What every kernel here does around its work: errors as statuses, nothing thrown.
template <class Derived> class Kernel {
public:
    OrtStatusPtr ComputeV2(OrtKernelContext* raw) noexcept try {
        Ort::KernelContext context(raw);
        const std::string error = static_cast<Derived*>(this)->compute(context);
        return error.empty() ? nullptr : failure(Derived::name, ORT_INVALID_ARGUMENT, error);
    } catch (const std::bad_alloc&) {
        return failure(Derived::name, ORT_FAIL, "out of memory");
    } catch (const std::exception& error) {
        return failure(Derived::name, ORT_FAIL, error.what());
    }

protected:
    static std::string text(Status status) { return status == Status::ok ? "" : status_text(status); }
};

template <class T> class StreamAttention : public Kernel<StreamAttention<T>> {
public:
    static constexpr const char* name = "StreamAttention";
    // query, projected, keys, values, first, table -> y, new_keys, new_values
    static constexpr size_t inputs = 6, outputs = 3, integer_input = 4;

    explicit StreamAttention(const OrtKernelInfo*) {}

    std::string compute(Ort::KernelContext& context) const {
        const auto query = context.GetInput(0), projected = context.GetInput(1), keys = context.GetInput(2);
        const auto values = context.GetInput(3), first = context.GetInput(4), table = context.GetInput(5);
        const Shape q = shape_of(query), p = shape_of(projected), k = shape_of(keys), v = shape_of(values);
        const Shape f = shape_of(first), t = shape_of(table);
        const bool ranks = q.size() == 3 && p.size() == 3 && k.size() == 4 && f.size() == 1 && t.size() == 2;
        if (!ranks || v != k || k[0] != q[0] || k[1] * k[3] != q[2] || p != Shape{q[0], q[1], 3 * q[2]} ||
            f[0] != q[0] || t[1] != k[2] + 2 || (t[0] != 1 && t[0] != k[1]))
            return "got query " + text_of(q) + ", projected " + text_of(p) + ", keys " + text_of(k) + ", values " +
                   text_of(v) + ", first " + text_of(f) + ", table " + text_of(t) +
                   "; expected [B, n, H * d], [B, n, 3 * H * d], [B, H, S, d] twice, [B], [1 or H, S + 2]";
        const AttentionSizes sizes{q[0], q[1], k[1], k[3], k[2], t[0]};
        std::vector<float> room[5];
        Output<T> y(context, 0, q), new_keys(context, 1, k), new_values(context, 2, k);
        const Status status = stream_attention(
            sizes, floats<T>(query, elements(q), room[0]), floats<T>(projected, elements(p), room[1]),
            floats<T>(keys, elements(k), room[2]), floats<T>(values, elements(k), room[3]),
            first.GetTensorData<int64_t>(), floats<T>(table, elements(t), room[4]), y.data(), new_keys.data(),
            new_values.data(), Isa::automatic);
        y.finish();
        new_keys.finish();
        new_values.finish();
        return this->text(status);
    }
};

// The kernels below pack constants once per session; constants that are inputs are packed for every call.
template <class T> class MotionHeadKernel : public Kernel<MotionHeadKernel<T>> {
public:
    static constexpr const char* name = "MotionHead";
    // emotion, content, weight, basis -> offsets, products
    static constexpr size_t inputs = 4, outputs = 2;
    static constexpr int integer_input = none;

    explicit MotionHeadKernel(const OrtKernelInfo* raw) {
        int constant = 0;
        const Ort::ConstValue basis = Ort::ConstKernelInfo(raw).GetTensorConstantInput(3, &constant);
        if (constant) error_ = prepare(basis, &head_);
    }

    std::string compute(Ort::KernelContext& context) const {
        std::unique_ptr<MotionHead> made;
        const MotionHead* head = head_.get();
        if (!error_.empty()) return error_;
        if (!head) {
            const std::string error = prepare(context.GetInput(3), &made);
            if (!error.empty()) return error;
            head = made.get();
        }
        const auto emotion = context.GetInput(0), content = context.GetInput(1), weight = context.GetInput(2);
        const Shape e = shape_of(emotion), c = shape_of(content), w = shape_of(weight);
        if (e.size() != 3 || e != c || e[2] != head->rank() || w != Shape{e[0], e[1], head->vertices()})
            return "got emotion " + text_of(e) + ", content " + text_of(c) + ", weight " + text_of(w) +
                   "; expected [B, n, " + std::to_string(head->rank()) + "] twice, [B, n, " +
                   std::to_string(head->vertices()) + "]";
        std::vector<float> room[3];
        Output<T> offsets(context, 0, {e[0], e[1], head->vertices(), 3}), products(context, 1, e);
        const Status status = head->run(e[0] * e[1], floats<T>(emotion, elements(e), room[0]),
                                        floats<T>(content, elements(c), room[1]),
                                        floats<T>(weight, elements(w), room[2]), offsets.data(), products.data());
        offsets.finish();
        products.finish();
        return this->text(status);
    }

private:
    static std::string prepare(const Ort::ConstValue& basis, std::unique_ptr<MotionHead>* made) {
        const Shape b = shape_of(basis);
        if (b.size() != 2 || b[0] < 1 || b[1] < 3 || b[1] % 3 != 0)
            return "got basis " + text_of(b) + "; expected [R, 3 * V]";
        std::vector<float> room;
        return Kernel<MotionHeadKernel<T>>::text(
            MotionHead::make(b[0], b[1] / 3, floats<T>(basis, elements(b), room), Isa::automatic, made));
    }
    std::string error_;
    std::unique_ptr<MotionHead> head_;
};

template <class T> class GroupedConvKernel : public Kernel<GroupedConvKernel<T>> {
public:
    static constexpr const char* name = "GroupedConv";
    // x, weight, bias -> y
    static constexpr size_t inputs = 3, outputs = 1;
    static constexpr int integer_input = none;

    explicit GroupedConvKernel(const OrtKernelInfo* raw) {
        const Ort::ConstKernelInfo info(raw);
        int constant[2] = {};
        const Ort::ConstValue weight = info.GetTensorConstantInput(1, &constant[0]);
        const Ort::ConstValue bias = info.GetTensorConstantInput(2, &constant[1]);
        if (constant[0] && constant[1]) error_ = prepare(weight, bias, &conv_);
    }

    std::string compute(Ort::KernelContext& context) const {
        std::unique_ptr<GroupedConv> made;
        const GroupedConv* conv = conv_.get();
        if (!error_.empty()) return error_;
        if (!conv) {
            const std::string error = prepare(context.GetInput(1), context.GetInput(2), &made);
            if (!error.empty()) return error;
            conv = made.get();
        }
        const auto x = context.GetInput(0);
        const Shape s = shape_of(x);
        const GroupedConvSizes& sizes = conv->sizes();
        if (s.size() != 3 || s[0] < 1 || s[1] < sizes.kernel || s[2] != sizes.channels)
            return "got x " + text_of(s) + "; expected [B, T, " + std::to_string(sizes.channels) + "] with T at least " +
                   std::to_string(sizes.kernel);
        std::vector<float> room;
        Output<T> y(context, 0, {s[0], s[1] - sizes.kernel + 1, s[2]});
        const Status status = conv->run(s[0], s[1], floats<T>(x, elements(s), room), y.data());
        y.finish();
        return this->text(status);
    }

private:
    static std::string prepare(const Ort::ConstValue& weight, const Ort::ConstValue& bias,
                               std::unique_ptr<GroupedConv>* made) {
        const Shape w = shape_of(weight), b = shape_of(bias);
        if (w.size() != 3 || b.size() != 1 || b[0] != w[0] || w[1] < 1 || w[0] < 1 || w[0] % w[1] != 0)
            return "got weight " + text_of(w) + ", bias " + text_of(b) + "; expected [D, D / groups, K], [D]";
        std::vector<float> room[2];
        return Kernel<GroupedConvKernel<T>>::text(
            GroupedConv::make({w[0], w[0] / w[1], w[2]}, floats<T>(weight, elements(w), room[0]),
                              floats<T>(bias, elements(b), room[1]), Isa::automatic, made));
    }
    std::string error_;
    std::unique_ptr<GroupedConv> conv_;
};

template <class T> class VertexLayer : public Kernel<VertexLayer<T>> {
public:
    static constexpr const char* name = "VertexLayer";
    // audio, constants, available -> y
    static constexpr size_t inputs = 3, outputs = 1, integer_input = 2;

    explicit VertexLayer(const OrtKernelInfo*) {}

    std::string compute(Ort::KernelContext& context) const {
        const auto audio = context.GetInput(0), constants = context.GetInput(1), available = context.GetInput(2);
        const Shape a = shape_of(audio), c = shape_of(constants), n = shape_of(available);
        if (a.size() != 3 || c.size() != 3 || c[2] != a[2] || n != Shape{a[0], a[1]})
            return "got audio " + text_of(a) + ", constants " + text_of(c) + ", available " + text_of(n) +
                   "; expected [B, n, C], [delta, V, C], [B, n]";
        std::vector<float> room[2];
        Output<T> y(context, 0, {a[0], a[1], c[1], a[2]});
        const Status status = vertex_layer(a[0] * a[1], c[1], a[2], c[0], floats<T>(audio, elements(a), room[0]),
                                           floats<T>(constants, elements(c), room[1]),
                                           available.GetTensorData<int64_t>(), Activation::elu, y.data(), Isa::automatic);
        y.finish();
        return this->text(status);
    }
};

template <class T> class Unfold : public Kernel<Unfold<T>> {
public:
    static constexpr const char* name = "Unfold";
    // x -> y
    static constexpr size_t inputs = 1, outputs = 1;
    static constexpr int integer_input = none;

    explicit Unfold(const OrtKernelInfo* raw)
        : kernel_(Ort::ConstKernelInfo(raw).GetAttribute<int64_t>("kernel")),
          stride_(Ort::ConstKernelInfo(raw).GetAttribute<int64_t>("stride")) {}

    std::string compute(Ort::KernelContext& context) const {
        const auto x = context.GetInput(0);
        const Shape s = shape_of(x);
        if (kernel_ < 1 || stride_ < 1 || s.size() != 3 || s[0] < 1 || s[1] < kernel_ || s[2] < 1)
            return "got x " + text_of(s) + ", kernel " + std::to_string(kernel_) + ", stride " + std::to_string(stride_) +
                   "; expected [B, T, C] with T at least the kernel, kernel and stride positive";
        std::vector<float> room;
        Output<T> y(context, 0, {s[0], (s[1] - kernel_) / stride_ + 1, kernel_ * s[2]});
        const Status status = unfold_rows(s[0], s[1], s[2], kernel_, stride_, floats<T>(x, elements(s), room), y.data());
        y.finish();
        return this->text(status);
    }

private:
    int64_t kernel_, stride_;
};

template <class T> class Delay : public Kernel<Delay<T>> {
public:
    static constexpr const char* name = "Delay";
    // x, projected, waiting -> y, query, rest
    static constexpr size_t inputs = 3, outputs = 3;
    static constexpr int integer_input = none;

    explicit Delay(const OrtKernelInfo* raw)
        : start_(Ort::ConstKernelInfo(raw).GetAttribute<int64_t>("start")),
          count_(Ort::ConstKernelInfo(raw).GetAttribute<int64_t>("count")) {}

    std::string compute(Ort::KernelContext& context) const {
        const auto x = context.GetInput(0), projected = context.GetInput(1), waiting = context.GetInput(2);
        const Shape s = shape_of(x), p = shape_of(projected), w = shape_of(waiting);
        if (s.size() != 3 || w.size() != 3 || p != Shape{s[0], s[1], 3 * s[2]} || w[0] != s[0] || w[2] != 2 * s[2] ||
            start_ < 0 || count_ < 1 || start_ + count_ > w[1])
            return "got x " + text_of(s) + ", projected " + text_of(p) + ", waiting " + text_of(w) + ", start " +
                   std::to_string(start_) + ", count " + std::to_string(count_) +
                   "; expected [B, n, D], [B, n, 3 * D], [B, R, 2 * D] with start + count at most R";
        std::vector<float> room[3];
        Output<T> y(context, 0, s), query(context, 1, s), rest(context, 2, {s[0], count_, w[2]});
        const Status status = delay_rows(s[0], s[1], s[2], w[1], start_, count_, floats<T>(x, elements(s), room[0]),
                                         floats<T>(projected, elements(p), room[1]),
                                         floats<T>(waiting, elements(w), room[2]), y.data(), query.data(), rest.data());
        y.finish();
        query.finish();
        rest.finish();
        return this->text(status);
    }

private:
    int64_t start_, count_;
};

template <class T, template <class> class K> struct Op : Ort::CustomOpBase<Op<T, K>, K<T>, true> {
    Op() { this->version = kApi; }
    OrtStatusPtr CreateKernelV2(const OrtApi&, const OrtKernelInfo* info, void** kernel) const noexcept try {
        *kernel = new K<T>(info);
        return nullptr;
    } catch (const std::exception& error) {
        return failure(K<T>::name, ORT_FAIL, error.what());
    }
    const char* GetName() const { return K<T>::name; }
    const char* GetExecutionProviderType() const { return "CPUExecutionProvider"; }
    size_t GetInputTypeCount() const { return K<T>::inputs; }
    ONNXTensorElementDataType GetInputType(size_t index) const {
        return int(index) == int(K<T>::integer_input) ? element_type<int64_t>() : element_type<T>();
    }
    size_t GetOutputTypeCount() const { return K<T>::outputs; }
    ONNXTensorElementDataType GetOutputType(size_t) const { return element_type<T>(); }
};

template <template <class> class K> void add(Ort::CustomOpDomain& domain) {
    static const Op<float, K> single;
    static const Op<Half, K> half;
    domain.Add(&single);
    domain.Add(&half);
}

}  // namespace

void add_step_operators(Ort::CustomOpDomain& domain) {
    add<StreamAttention>(domain);
    add<MotionHeadKernel>(domain);
    add<GroupedConvKernel>(domain);
    add<VertexLayer>(domain);
    add<Unfold>(domain);
    add<Delay>(domain);
}

}  // namespace emoface::ort
