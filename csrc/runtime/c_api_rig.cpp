// emoface.h: controls of the motion, and retargeting.
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
        if (struct_size != sizeof(emoface_controls))
            fail(EMOFACE_ERROR_ARGUMENT, "struct_size = " + std::to_string(struct_size),
                 std::to_string(sizeof(emoface_controls)), "Use the header of this library's version.");
        const RigControls defaults;
        *controls = {struct_size,
                     0,
                     defaults.upper_strength,
                     defaults.lower_strength,
                     defaults.upper_smoothing,
                     defaults.lower_smoothing,
                     defaults.sync_offset};
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
