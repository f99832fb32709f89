/* A library that says that it is an ONNX Runtime of long ago. */
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const void* (*get_api)(uint32_t);
    const char* (*version)(void);
} Base;

static const void* get_api(uint32_t number) {
    (void)number;
    return NULL;
}

static const char* version(void) { return "1.8.1"; }

static const Base base = {get_api, version};

__attribute__((visibility("default"))) const Base* OrtGetApiBase(void) { return &base; }
