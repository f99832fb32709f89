/* Stands before the library: emoface_step() returns the status of the environment, with parts of its own. */
#include <stdlib.h>

#include "emoface.h"

static const char* const parts[] = {"a value \xff", "another", "Change it.", "manifest.json", "stages[0].name"};

emoface_status emoface_step(emoface_animator* animator, const void* samples, int64_t count, const emoface_frames* out,
                            int64_t capacity, int64_t* written) {
    (void)animator, (void)samples, (void)count, (void)out, (void)capacity, (void)written;
    return atoi(getenv("PLANTED_STATUS"));
}

const char* emoface_last_error_part(int32_t part) { return parts[part]; }
