// emoface.h: controls of the motion, and retargeting.
#include <cstddef>
#include <cstring>

#include "emotion_keys.h"
#include "handles.h"
#include "retarget.h"

using namespace emoface::runtime;

struct emoface_retarget {
    Retarget retarget;
};

extern "C" {

emoface_status emoface_controls_init(emoface_controls* controls, uint32_t struct_size) {
    return guarded([&] {
        require_pointer(controls, "controls");
        if (struct_size != sizeof(emoface_controls) && struct_size != offsetof(emoface_controls, mask_level))
            fail(EMOFACE_ERROR_ARGUMENT, "struct_size = " + std::to_string(struct_size),
                 std::to_string(sizeof(emoface_controls)), "Use the header of this library's version.");
        // The fields are doubles in the order of RigControls; a caller of an earlier version has the first of them.
        const auto defaults = RigControls{}.values();
        static_assert(sizeof(emoface_controls) == offsetof(emoface_controls, upper_strength) + sizeof defaults);
        controls->struct_size = struct_size;
        controls->reserved = 0;
        std::memcpy(&controls->upper_strength, defaults.data(), struct_size - offsetof(emoface_controls, upper_strength));
        return EMOFACE_OK;
    });
}

emoface_status emoface_emotion_blending_init(emoface_emotion_blending* blending, uint32_t struct_size) {
    return guarded([&] {
        require_pointer(blending, "blending");
        if (struct_size != sizeof(emoface_emotion_blending))
            fail(EMOFACE_ERROR_ARGUMENT, "struct_size = " + std::to_string(struct_size),
                 std::to_string(sizeof(emoface_emotion_blending)), "Use the header of this library's version.");
        const EmotionBlending defaults;
        *blending = {struct_size,       int32_t(defaults.max_emotions), defaults.transition_s, defaults.strength,
                     defaults.contrast, defaults.neutral_after,         nullptr};
        return EMOFACE_OK;
    });
}

emoface_status emoface_retarget_create(const emoface_package* package, const float* template_vertices,
                                       int64_t template_count, const int32_t* faces, int64_t triangle_count,
                                       emoface_retarget** retarget) {
    return guarded([&] {
        require_pointer(package, "package");
        require_pointer(retarget, "retarget");
        *retarget = nullptr;
        require_pointer(template_vertices, "template_vertices");
        if (faces == nullptr && triangle_count != 0) require_pointer(faces, "faces");
        *retarget = new emoface_retarget{
            Retarget(*package->package, template_vertices, template_count, faces, triangle_count)};
        return EMOFACE_OK;
    });
}

void emoface_retarget_release(emoface_retarget* retarget) { delete retarget; }

emoface_status emoface_retarget_offsets(const emoface_retarget* retarget, const float* offsets, int64_t count, float* moved) {
    return guarded([&] {
        require_pointer(retarget, "retarget");
        if (count < 0)
            fail(EMOFACE_ERROR_ARGUMENT, "count = " + std::to_string(count), "0 or more frames", "Pass the number of frames.");
        if (count > 0) {
            require_pointer(offsets, "offsets");
            require_pointer(moved, "moved");
        }
        retarget->retarget.offsets(offsets, count, moved);
        return EMOFACE_OK;
    });
}

}  // extern "C"
