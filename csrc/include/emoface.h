/* EmoFace: speech in, an emotional 3D talking face out. The C interface of the native runtime.
 *
 * A package (a folder, or a zip called name.emoface) is loaded once and shared; every voice gets an animator. There are
 * two ways to drive an animator:
 *
 *   synchronous  emoface_step() takes the next audio and returns the frames that are complete.
 *   real time    emoface_start() makes a worker thread. The audio thread calls emoface_push(), the display thread
 *                emoface_sample() with the time of the audio that is being heard.
 *
 * Shapes. V vertices, F triangles, E emotions, S blendshapes, R coefficients, as emoface_package_info() states them. Arrays are dense in
 * C order; vertices are x, y, z. Axes and unit are those of the package: the bundled face has +Y up, +Z front (a
 * right-handed system, as glTF), metres. Frame m lies at m / fps seconds of audio time, always. N samples at rate r give
 * exactly floor(N fps / r) frames, however the audio is cut, and the frames have the same bits for any cut.
 *
 * Ownership. The caller owns every buffer that it passes; the library keeps none beyond the call. Pointers that getters
 * return belong to the package or animator and live as long as it. An animator keeps its package alive: packages and
 * animators may be released in any order. Text is UTF-8, file paths on Windows too.
 *
 * Threads. A package may be used by any number of threads. An animator belongs to one thread at a time; a second call
 * at the same time returns EMOFACE_ERROR_CONCURRENT_USE and does nothing. No emoface_push() or emoface_sample() may run
 * during emoface_start(). In real time three threads may work at once:
 * one that calls emoface_push() alone, one that calls emoface_sample(), and one for everything else.
 *
 * Errors. Every function returns a status: 0 is success, a negative value an error, a positive value a notice (the call
 * worked, and something is worth knowing). emoface_last_error() says for the calling thread what was found, what was
 * expected and what to do. After an error the outputs are undefined unless stated, and the animator is as it was, except
 * after EMOFACE_ERROR_RUNTIME, EMOFACE_ERROR_BACKEND and EMOFACE_ERROR_OUT_OF_MEMORY from emoface_step() or
 * emoface_flush(): then call emoface_reset() or emoface_restore(). Nothing throws, exits, aborts or prints. A handle
 * must be one that the library returned and that was not released; NULL is refused with a status.
 *
 * Structs. Fill configuration structs with their *_init() function, or with zeros and struct_size = sizeof(the struct):
 * zero means the default for every other field (emoface_controls aside). Fields are only ever added at the end, and a struct_size that the
 * library does not know is refused.
 *
 * Memory. After the first seconds of a stream the library allocates nothing in emoface_step(), emoface_push() and
 * emoface_sample(). ONNX Runtime, which runs the graphs within emoface_step() or on the worker, does so for its own ends.
 */
#ifndef EMOFACE_H
#define EMOFACE_H

#include <stdint.h>

#if defined(_WIN32)
#  if defined(EMOFACE_BUILD)
#    define EMOFACE_API __declspec(dllexport)
#  elif defined(EMOFACE_STATIC)
#    define EMOFACE_API
#  else
#    define EMOFACE_API __declspec(dllimport)
#  endif
#elif defined(EMOFACE_BUILD)
#  define EMOFACE_API __attribute__((visibility("default")))
#else
#  define EMOFACE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Versions ---------------------------------------------------------------------------------------------------- */

/* Version of this header. */
#define EMOFACE_VERSION "0.1.0"

/* Number of the binary interface. It changes when something is removed or changes its meaning. */
#define EMOFACE_ABI_VERSION 1

/* The library's EMOFACE_VERSION, for example "0.1.0". Never NULL. */
EMOFACE_API const char* emoface_version(void);

/* The library's EMOFACE_ABI_VERSION: compare it with the header's before anything else. */
EMOFACE_API int32_t emoface_abi_version(void);

/* ---- Status ------------------------------------------------------------------------------------------------------ */

/* What a function returns: one of EMOFACE_OK, EMOFACE_NOTICE_*, EMOFACE_ERROR_*. */
typedef int32_t emoface_status;

/* Success. */
#define EMOFACE_OK 0
/* emoface_sample(): no frame is computed yet; the neutral face was returned. */
#define EMOFACE_NOTICE_NO_FRAME 1
/* emoface_sample(): the time lies after the newest frame; that frame was returned. */
#define EMOFACE_NOTICE_LATE 2
/* emoface_sample(): the time lies before the oldest frame that is kept; that frame was returned. */
#define EMOFACE_NOTICE_EARLY 3

/* A NULL handle or pointer, a wrong struct_size, a value out of range. */
#define EMOFACE_ERROR_ARGUMENT (-1)
/* The caller's buffer is too small; the number that is needed was stored, and nothing was consumed. */
#define EMOFACE_ERROR_BUFFER_TOO_SMALL (-2)
/* An unknown style, emotion or level, weights of a wrong length, or a change in the past. */
#define EMOFACE_ERROR_CONDITION (-3)
/* A template that does not fit the package's topology. */
#define EMOFACE_ERROR_TEMPLATE (-4)
/* A package that lacks what was asked for, for example a precision. */
#define EMOFACE_ERROR_PACKAGE (-10)
/* No package at the path. */
#define EMOFACE_ERROR_PACKAGE_NOT_FOUND (-11)
/* A package of a format version that this library does not read. */
#define EMOFACE_ERROR_PACKAGE_FORMAT (-12)
/* A file of the package is missing, truncated or oversized, or its SHA-256 differs. */
#define EMOFACE_ERROR_PACKAGE_INTEGRITY (-13)
/* manifest.json, or an array that it describes, breaks the schema. */
#define EMOFACE_ERROR_MANIFEST (-14)
/* NaN, infinite or far too loud samples. */
#define EMOFACE_ERROR_AUDIO (-20)
/* A sample rate, number of channels or sample format that is not possible. */
#define EMOFACE_ERROR_AUDIO_FORMAT (-21)
/* The stream cannot go on, for example after a failed step. */
#define EMOFACE_ERROR_RUNTIME (-30)
/* Audio after emoface_flush(). */
#define EMOFACE_ERROR_STREAM_ENDED (-31)
/* A snapshot that is damaged, or of another package, backend, precision, rate or block size. */
#define EMOFACE_ERROR_SNAPSHOT (-32)
/* ONNX Runtime is absent or too old, or a graph failed to load or run. */
#define EMOFACE_ERROR_BACKEND (-33)
/* Two threads used one animator at the same time. */
#define EMOFACE_ERROR_CONCURRENT_USE (-34)
/* emoface_push(): the queue is full because the worker cannot keep up; the chunk was not taken. */
#define EMOFACE_ERROR_QUEUE_FULL (-35)
/* The call belongs to the other way of driving the animator: emoface_start() or emoface_stop() first. */
#define EMOFACE_ERROR_MODE (-36)
/* Memory ran out. */
#define EMOFACE_ERROR_OUT_OF_MEMORY (-37)
/* A fault of the library itself; please report it. */
#define EMOFACE_ERROR_INTERNAL (-38)

/* The constant's name without "EMOFACE_", for example "ERROR_BUFFER_TOO_SMALL". Never NULL. */
EMOFACE_API const char* emoface_status_name(emoface_status status);

/* What was found, expected and can be done about it, for the last call of this thread that did not return EMOFACE_OK;
 * empty before. Never NULL; valid until this thread's next call. */
EMOFACE_API const char* emoface_last_error(void);

/* Parts of emoface_last_error(). */
#define EMOFACE_PART_GOT 0      /* what was found; where there is a field, its value */
#define EMOFACE_PART_EXPECTED 1 /* what would have been right */
#define EMOFACE_PART_REMEDY 2   /* what the caller can do, as sentences */
#define EMOFACE_PART_FILE 3     /* of EMOFACE_ERROR_MANIFEST: the file at fault, for example "manifest.json" */
#define EMOFACE_PART_FIELD 4    /* of EMOFACE_ERROR_MANIFEST: the path of the field, for example "stages[1].inputs[0].source" */

/* One of EMOFACE_PART_*, for a binding whose errors have fields; empty where the error has no such part, or for an unknown
 * number. Never NULL; valid as long as the text of emoface_last_error(). */
EMOFACE_API const char* emoface_last_error_part(int32_t part);

/* Severity of a log message. */
#define EMOFACE_LOG_INFO 1
#define EMOFACE_LOG_WARNING 2
#define EMOFACE_LOG_ERROR 3

/* Receives log messages, on any thread but never from within emoface_push(). It must not call the library. */
typedef void (*emoface_log_callback)(int32_t level, const char* message, void* user);

/* Send log messages of the whole process to `callback`; NULL (the state at the start) drops them. When the call
 * returns, the callback that was set before is no longer running. */
EMOFACE_API emoface_status emoface_set_log(emoface_log_callback callback, void* user);

/* ---- ONNX Runtime ------------------------------------------------------------------------------------------------ */

/* Load ONNX Runtime (1.25 or newer) privately: its symbols are seen by nobody, and another ONNX Runtime in the process
 * is no problem. Optional: the first animator does it where the application did not.
 *
 *   library_path  the shared library; NULL searches EMOFACE_ONNXRUNTIME (environment), the folder of this library, then
 *                 the system's own search path.
 *
 * Its telemetry is switched off: ORT_DISABLE_TELEMETRY=1 is set in the process's environment unless the variable is
 * there. Where other threads read the environment at that moment, set it before they start.
 *
 * One ONNX Runtime serves the process. A second call with the same path, or NULL, does nothing; with another path it
 * returns EMOFACE_ERROR_BACKEND. */
EMOFACE_API emoface_status emoface_onnxruntime_load(const char* library_path);

/* Version of the ONNX Runtime that was loaded, for example "1.22.0"; empty before. Never NULL. */
EMOFACE_API const char* emoface_onnxruntime_version(void);

/* The file it was loaded from; empty before. Never NULL. */
EMOFACE_API const char* emoface_onnxruntime_path(void);

/* ---- Packages ---------------------------------------------------------------------------------------------------- */

/* A loaded package: immutable, thread-safe, shared by all its animators. */
typedef struct emoface_package emoface_package;

/* Load a package from a folder or an .emoface file. Every file is read, its size and SHA-256 compared with the
 * manifest; no name reaches outside the package.
 *
 *   path     UTF-8
 *   package  receives the handle; release it with emoface_package_release() */
EMOFACE_API emoface_status emoface_package_open(const char* path, emoface_package** package);

/* Load a package from the bytes of an .emoface file; they are not needed after the call. */
EMOFACE_API emoface_status emoface_package_open_memory(const void* data, int64_t size, emoface_package** package);

/* A file of a package in memory. */
typedef struct emoface_file {
    const char* name; /* as the package has it, for example "manifest.json" */
    const void* data;
    int64_t size; /* bytes */
} emoface_file;

/* Load a package from the bytes of its single files, for applications with archives of their own; they are not needed after
 * the call. Checked as by emoface_package_open(). */
EMOFACE_API emoface_status emoface_package_open_files(const emoface_file* files, int64_t count, emoface_package** package);

/* Let go of a package. NULL is harmless. Animators made with it go on. */
EMOFACE_API void emoface_package_release(emoface_package* package);

/* Numbers of a package. Set struct_size = sizeof(emoface_package_info) before the call. */
typedef struct emoface_package_info {
    uint32_t struct_size;
    int32_t format;           /* version of the package format */
    int32_t fps;              /* frames per second */
    int32_t sample_rate;      /* rate of the model in Hz; any other rate is resampled */
    int32_t vertices;         /* V */
    int32_t triangles;        /* F */
    int32_t emotions;         /* E where the package returns emotions, else 0 */
    int32_t has_weights;      /* 1 where the package returns emotion weights per vertex */
    int32_t blendshapes;      /* S, 0 where the package has none */
    int32_t latency_samples;  /* declared latency at its own rate and block size */
    int32_t block_ms;         /* default block */
    int32_t least_block_ms;   /* shortest block */
    int32_t longest_block_ms; /* longest block */
    int32_t reserved;
    double unit_in_metres;    /* length of the unit of vertices */
    double motion_range;      /* largest offset of the reference animation in metres */
    int32_t has_head_pose;    /* 1 where the package moves the head as a whole */
    int32_t has_arousal;      /* 1 where the package returns arousal, ... */
    int32_t has_valence;
    int32_t has_confidence;
    int32_t coefficients;             /* R where the motion lies in a basis of R shapes, else 0 */
    int32_t has_emotion_coefficients; /* 1 where an emotion branch has coefficients of its own */
} emoface_package_info;

/* Fill `info`. */
EMOFACE_API emoface_status emoface_package_get_info(const emoface_package* package, emoface_package_info* info);

/* Texts of a package. */
#define EMOFACE_TEXT_NAME 0
#define EMOFACE_TEXT_FAMILY 1
#define EMOFACE_TEXT_LICENCE 2
#define EMOFACE_TEXT_AXES 3
#define EMOFACE_TEXT_DEFAULT_PRECISION 4
#define EMOFACE_TEXT_DIGEST 5       /* SHA-256 of the manifest, and so of everything in the package */
#define EMOFACE_TEXT_FACES_SHA256 6 /* two faces have the same topology if and only if it is equal */
#define EMOFACE_TEXT_MANIFEST 7     /* manifest.json as it is */
#define EMOFACE_TEXT_MODEL_SHA256 8 /* of the model's weights, which person files name; empty where the package says none */

/* One of EMOFACE_TEXT_*; an empty text for a NULL package or an unknown number. Lives as long as the package. */
EMOFACE_API const char* emoface_package_text(const emoface_package* package, int32_t text);

/* Lists of names of a package. */
#define EMOFACE_NAMES_STYLES 0
#define EMOFACE_NAMES_EMOTIONS 1 /* what emoface_set_emotion() takes; ends with "auto" where the voice can decide */
#define EMOFACE_NAMES_LEVELS 2
#define EMOFACE_NAMES_MASKS 3
#define EMOFACE_NAMES_BLENDSHAPES 4
#define EMOFACE_NAMES_PRECISIONS 5
#define EMOFACE_NAMES_CONDITIONS 6
#define EMOFACE_NAMES_IDENTITIES 7 /* neutral faces beside the canonical one, which has no name */
#define EMOFACE_NAMES_TEXTURES 8   /* "albedo" is the colour of the skin; others are the application's */
#define EMOFACE_NAMES_COEFFICIENTS 9 /* of the shapes of the motion basis */
#define EMOFACE_NAMES_PERSONS 10     /* what emoface_set_person() takes */

/* Number of names in the list EMOFACE_NAMES_*; 0 for a NULL package or an unknown list. */
EMOFACE_API int32_t emoface_package_name_count(const emoface_package* package, int32_t list);

/* A name of a list; NULL where there is none. Lives as long as the package. */
EMOFACE_API const char* emoface_package_name(const emoface_package* package, int32_t list, int32_t index);

/* The neutral face, float [V, 3]; NULL for a NULL package. */
EMOFACE_API const float* emoface_package_template(const emoface_package* package);

/* Triangles, int32 [F, 3], counter-clockwise seen from outside; NULL for a NULL package. */
EMOFACE_API const int32_t* emoface_package_faces(const emoface_package* package);

/* Linear albedo 0..1 per vertex, float [V, 3]; NULL for a NULL package. */
EMOFACE_API const float* emoface_package_colours(const emoface_package* package);

/* Vertex indices of a region, for example "lips".
 *
 *   count    receives their number; may be NULL
 *   returns  int32 [count], or NULL where there is no mask of this name */
EMOFACE_API const int32_t* emoface_package_mask(const emoface_package* package, const char* name, int64_t* count);

/* One of the package's neutral faces by its name, one of EMOFACE_NAMES_IDENTITIES.
 *
 *   returns  float [V, 3], or NULL where there is none of this name */
EMOFACE_API const float* emoface_package_identity(const emoface_package* package, const char* name);

/* The points that head, jaw, left eye and right eye turn about, in this order; left and right are those of the face.
 *
 *   identity  one of EMOFACE_NAMES_IDENTITIES; NULL = the canonical face
 *   returns   float [4, 3], or NULL where the package has no pivots, or no identity of this name */
EMOFACE_API const float* emoface_package_pivots(const emoface_package* package, const char* identity);

/* Texture coordinates u, v: origin at the upper left of the image, v down.
 *
 *   count    receives their number U; may be NULL
 *   returns  float [U, 2], or NULL where the face has none */
EMOFACE_API const float* emoface_package_uvs(const emoface_package* package, int64_t* count);

/* The texture coordinates at the corners of the triangles: int32 [F, 3], rows of emoface_package_uvs(); NULL where the
 * face has none. */
EMOFACE_API const int32_t* emoface_package_uv_faces(const emoface_package* package);

/* The group of each triangle, int32 [F]: triangles of one group share smooth normals at their common vertices, between
 * groups the edge is sharp. NULL where all are of one group. */
EMOFACE_API const int32_t* emoface_package_normal_groups(const emoface_package* package);

/* A texture of the face by its name, one of EMOFACE_NAMES_TEXTURES.
 *
 *   size     receives the number of bytes; may be NULL
 *   returns  a PNG image, 8 bits RGB or RGBA, sRGB whatever it says of itself; NULL where there is none of this name */
EMOFACE_API const void* emoface_package_texture(const emoface_package* package, const char* name, int64_t* size);

/* Vertex offsets of a blendshape at weight 1.
 *
 *   returns  float [V, 3] in the package's unit, or NULL where there is none of this index */
EMOFACE_API const float* emoface_package_blendshape(const emoface_package* package, int32_t index);

/* Vertex offsets of a shape of the motion basis at coefficient 1: a frame's offsets are the sum of the R shapes times its
 * coefficients. Where there are `emotion_coefficients` e beside the coefficients c, the offset of vertex v is
 * a + (b - a) w, a and b the sums over c and e and w its `emotion_weight`.
 *
 *   identity  one of EMOFACE_NAMES_IDENTITIES, which may have a basis of its own; NULL = the canonical face
 *   returns   float [V, 3] in the package's unit, or NULL where there is none of this index, or no identity of this name */
EMOFACE_API const float* emoface_package_basis(const emoface_package* package, const char* identity, int32_t index);

/* ---- Animators --------------------------------------------------------------------------------------------------- */

/* The stream of one voice. */
typedef struct emoface_animator emoface_animator;

/* Format of the samples that the caller passes. Integer formats are scaled to full scale 1; of uint8, 128 is silence. */
#define EMOFACE_SAMPLES_FLOAT32 0
#define EMOFACE_SAMPLES_FLOAT64 1
#define EMOFACE_SAMPLES_INT16 2
#define EMOFACE_SAMPLES_INT32 3
#define EMOFACE_SAMPLES_UINT8 4

/* What happens to NaN, infinite and |x| > 16 samples: the chunk is refused, or they are muted. */
#define EMOFACE_BAD_AUDIO_ERROR 0
#define EMOFACE_BAD_AUDIO_SILENCE 1

/* A condition's vector, for example weights of styles. */
typedef struct emoface_condition {
    const char* name;    /* one of EMOFACE_NAMES_CONDITIONS */
    const float* values; /* weights of styles, emotions, levels or persons: 0 to 10; other values: -1e4 to 1e4 */
    int64_t count;       /* length of the vector, as the manifest has it */
} emoface_condition;

/* How strongly and how smoothly parts of the face move, what is added, and when. Unlike in other structs zero is a value
 * here, so fill it with emoface_controls_init(). The controls act on the offsets before blendshape weights are solved, so that
 * vertices and weights agree; at their defaults no bit changes. Upper and lower face blend smoothly into each other; where
 * they differ the package must have the mask "eyes_forehead". EMOFACE_ERROR_PACKAGE where a control needs a mask or a shape
 * that the package lacks. A struct_size that ends before `mask_level` is an older caller's. */
typedef struct emoface_controls {
    uint32_t struct_size;
    uint32_t reserved;
    double upper_strength;  /* 0 to 3, default 1: factor on the motion of brows, forehead and eyes */
    double lower_strength;  /* 0 to 3, default 1: factor on the motion of the rest */
    double upper_smoothing; /* 0 to 1 s, default 0: time constant of a one-pole low-pass filter */
    double lower_smoothing; /* 0 to 1 s, default 0 */
    double sync_offset;     /* -1 to 1 s, default 0: the face moves later than the sound (negative: earlier). It is added
                               to `time` of the frames; emoface_sample() returns the face of audio_time - sync_offset */
    double mask_level;      /* 0 to 1, default 0.5: where the upper face begins, from the chin to the top of the forehead */
    double mask_softness;   /* 0.001 to 0.5: over how much of that height it blends into the lower; 0, the default: the
                               package's own mask, which follows brows and eyes */
    double skin_strength;   /* 0 to 2, default 1: factor on the motion of all but teeth, tongue and eyeballs */
    double blink_strength;  /* 0 to 2, default 1: factor on how far blinks close the eyes; no farther than shut */
    double blink_offset;    /* 0 to 1, default 0: by how much the lids are closed all the time; 1 is shut */
    double eyelid_open_offset; /* -1 to 1, default 0: weight of eyeWide(Left|Right) that is added; below 0 so much of what is
                               between the lids is closed */
    double lip_open_offset; /* -0.2 to 0.2, default 0: weight of the shapes that part the lips; below 0 it closes lips that
                               are apart, until they touch */
    double tongue_strength; /* 0 to 3, default 1: factor on the tongue's own motion, beside the jaw's, which carries it */
    double tongue_height_offset; /* -3 to 3 cm, default 0: the tip of the tongue is higher; its root stays */
    double tongue_depth_offset;  /* -3 to 3 cm, default 0: the tip is farther out */
} emoface_controls;

/* Fill controls with the defaults; `struct_size` is sizeof(emoface_controls) in the caller's program. */
EMOFACE_API emoface_status emoface_controls_init(emoface_controls* controls, uint32_t struct_size);

/* What a person file says for a condition: weights of styles or persons, which belong to one model. For `conditions` of an
 * animator, or emoface_set_condition().
 *
 *   condition  "style" or "person"
 *   json       the file's `size` bytes: {"emoface_person": 1, "name": "anna", "model_sha256": "...", "weights": {"ben": 0.7}}
 *   values     float [capacity]; NULL with capacity = 0 asks for the length alone
 *   count      receives the length of the condition's vector; with EMOFACE_ERROR_BUFFER_TOO_SMALL nothing was written
 *
 * EMOFACE_ERROR_CONDITION for a file that is damaged or of another model, a name that the condition does not have, a weight
 * that is not from 0 to 10. */
EMOFACE_API emoface_status emoface_read_person(const emoface_package* package, const char* condition, const void* json,
                                               int64_t size, float* values, int64_t capacity, int64_t* count);

/* How an animator is made. Zero or NULL is the default everywhere. */
typedef struct emoface_animator_config {
    uint32_t struct_size;
    int32_t sample_rate;   /* 4000 to 384000 Hz; 0 = 16000 */
    int32_t channels;      /* 1 to 64 interleaved channels, averaged; 0 = 1 */
    int32_t sample_format; /* EMOFACE_SAMPLES_* */
    int32_t on_bad_audio;  /* EMOFACE_BAD_AUDIO_* */
    int32_t block_ms;      /* audio per run of the encoders; longer is cheaper and later; 0 = the package's */
    int32_t threads;       /* threads per graph; 0 = 1, best unless the model is large */
    int32_t blendshapes;   /* 1: solve blendshape weights for every frame (the package must have blendshapes). Where its
                              coefficients are of these, and nothing is fused per vertex, they are the weights, exactly */
    const char* precision; /* "fp32", "fp16", "int8"; NULL = the package's */
    const char* backend;   /* "ort-cpu-native": with EmoFace's kernels, the library emoface_onnxruntime beside this one;
                              "ort-cpu": without; NULL or "auto" = with, where that library is there */
    const char* style;     /* a name; NULL = the mean of the styles */
    const char* emotion;   /* a name; NULL = "auto", follow the voice */
    const char* level;     /* a name; NULL = "normal" */
    const emoface_condition* conditions; /* further initial conditions, weights instead of names; NULL = none */
    int64_t condition_count;
    const float* template_vertices; /* another neutral face of the same topology, float [V, 3]; NULL = the package's */
    int64_t template_count;         /* number of its vertices: V, or 0 */
    const emoface_controls* controls; /* strength, smoothing, shift in time; NULL = the defaults */
    int32_t blinks;      /* gentle blinks, after the controls and before blendshape weights are solved: 0 = where the
                            package can blink, 1 = EMOFACE_ERROR_PACKAGE where it cannot, -1 = none. None for a caller
                            whose struct_size ends before this field */
    uint32_t blink_seed; /* when they come is a function of it and of the frame's index; characters that are seen together
                            need different ones */
    double blink_rate;   /* about so many per minute, 4 to 40; 0 = 15 */
    uint64_t noise_seed; /* of the noise that the stages of some packages read: another seed, another variation of the same
                            speech; other packages do not hear of it */
    const char* identity; /* one of EMOFACE_NAMES_IDENTITIES in place of a template; NULL = the canonical face */
    int32_t skip_vertices; /* 1: coefficients without vertices and offsets, of packages that have `coefficients`
                              (EMOFACE_ERROR_PACKAGE for others); what makes vertices alone is not run. Then there are no
                              blinks, no gaze and no head sway, and what needs vertices is EMOFACE_ERROR_ARGUMENT: one of
                              the three = 1, controls other than a shift in time, `blendshapes` that are not the basis
                              itself */
    int32_t reserved;
    const char* person;   /* a name; NULL = the package's default */
    int32_t gaze;         /* eyes that look at a listener and away, after the controls and before blinks: 0 = where the
                             package has the eight shapes eyeLook(In|Out|Up|Down)(Left|Right), 1 = EMOFACE_ERROR_PACKAGE
                             where it has not, -1 = none. None for a caller whose struct_size ends before this field */
    int32_t head_sway;    /* a head that sways and nods with the speech: 0 = where the package has pivots and does not move
                             the head itself, 1 = EMOFACE_ERROR_PACKAGE where it has none, -1 = none. None for a caller
                             whose struct_size ends before this field. With it frames have a head's pose, of packages
                             without one, too: `has_head_pose` of emoface_animator_info */
    double gaze_strength;      /* factor 0.1 to 2 on all angles; 0 = 1 */
    double head_sway_strength; /* factor 0.1 to 2 on all angles; 0 = 1 */
    uint32_t gaze_seed;        /* 0 = that of the blinks; characters that are seen together need different ones */
    uint32_t head_sway_seed;   /* 0 = that of the blinks */
} emoface_animator_config;

/* Fill a configuration with the defaults; `struct_size` is sizeof(emoface_animator_config) in the caller's program. */
EMOFACE_API emoface_status emoface_animator_config_init(emoface_animator_config* config, uint32_t struct_size);

/* Make an animator: cheap after the first of a package, since weights are shared.
 *
 *   config    NULL = all defaults
 *   animator  receives the handle; release it with emoface_animator_release() */
EMOFACE_API emoface_status emoface_animator_create(emoface_package* package, const emoface_animator_config* config,
                                                   emoface_animator** animator);

/* Stop and release an animator. NULL is harmless. No other call on it may be running. */
EMOFACE_API void emoface_animator_release(emoface_animator* animator);

/* What an animator is. Set struct_size = sizeof(emoface_animator_info) before the call. */
typedef struct emoface_animator_info {
    uint32_t struct_size;
    int32_t fps;
    int32_t sample_rate;
    int32_t channels;
    int32_t block_ms;
    int32_t latency_samples; /* frame m is returned once m / fps seconds and these samples have been fed */
    double latency_seconds;  /* the same as time */
    const char* backend;     /* lives as long as the animator */
    const char* precision;   /* lives as long as the animator */
    int64_t samples_fed;     /* per channel, since the start of the stream */
    int64_t frames_made;     /* frames computed since then */
    int32_t has_head_pose;   /* 1 where frames have a head's pose, by the package or by `head_sway` */
    int32_t reserved;
} emoface_animator_info;

/* Fill `info`. */
EMOFACE_API emoface_status emoface_animator_get_info(emoface_animator* animator, emoface_animator_info* info);

/* Where frames go: dense arrays of the caller, each for `capacity` frames. NULL leaves that output out. Set
 * struct_size = sizeof(emoface_frames). */
typedef struct emoface_frames {
    uint32_t struct_size;
    uint32_t reserved;
    double* time;          /* [n] seconds of audio time, the sync offset added */
    float* vertices;       /* [n, V, 3] in the package's unit */
    float* emotion;        /* [n, E] running probabilities of the emotions */
    float* emotion_weight; /* [n, V] share of the emotion branch per vertex */
    float* blendshapes;    /* [n, S] weights 0..1, or the model's coefficients, as they are; the animator must have been made with `blendshapes` = 1 */
    float* offsets;        /* [n, V, 3] what the model gave, in the package's unit: the motion alone, before the end of a tail
                              fades it, before controls, gaze and blinks. Not of emoface_sample() */
    float* head_rotation;    /* [n, 3, 3] the head's rotation R, orthonormal with determinant +1; the animator must have
                                `has_head_pose`. A posed vertex is R v + T about the origin: `vertices` never hold it. At
                                the end of a tail it is none; emoface_sample() takes the short way between frames */
    float* head_translation; /* [n, 3] the head's translation T in the package's unit */
    float* arousal;          /* [n] what the model hears in the voice, in its own scale; the package must have `has_arousal` */
    float* valence;          /* [n] the same with `has_valence` */
    float* confidence;       /* [n] the same with `has_confidence` */
    float* coefficients;         /* [n, R] of the shapes of the motion basis; the package must have `coefficients`. At the end
                                    of a tail they are 0 */
    float* emotion_coefficients; /* [n, R] of the emotion branch; the package must have `has_emotion_coefficients` */
} emoface_frames;

/* ---- Synchronous ------------------------------------------------------------------------------------------------- */

/* Feed the next audio and get the frames that are complete.
 *
 *   samples   `count` samples per channel, interleaved, in the animator's sample format; NULL where count = 0
 *   count     0 or more
 *   out       where the frames go; NULL discards them
 *   capacity  frames that `out` has room for; ignored where out = NULL
 *   written   receives the number of frames; with EMOFACE_ERROR_BUFFER_TOO_SMALL the number that is needed, and then
 *             nothing was consumed. May be NULL. */
EMOFACE_API emoface_status emoface_step(emoface_animator* animator, const void* samples, int64_t count,
                                        const emoface_frames* out, int64_t capacity, int64_t* written);

/* The number of frames that emoface_step() would return for `count` further samples per channel. */
EMOFACE_API emoface_status emoface_step_frames(emoface_animator* animator, int64_t count, int64_t* frames);

/* End the audio and get the frames still due. In real time the worker does it: pass out = NULL; the call returns at
 * once, and the frames are there for emoface_sample().
 *
 *   tail_seconds  0 to 60: further frames in which the face returns to the template
 *   others        as emoface_step() */
EMOFACE_API emoface_status emoface_flush(emoface_animator* animator, double tail_seconds, const emoface_frames* out,
                                         int64_t capacity, int64_t* written);

/* The number of frames that emoface_flush() would return. */
EMOFACE_API emoface_status emoface_flush_frames(emoface_animator* animator, double tail_seconds, int64_t* frames);

/* Begin a new stream with the conditions that the animator was made with. In real time, queued audio is dropped; no
 * emoface_push() or emoface_sample() may run at the same time. */
EMOFACE_API emoface_status emoface_reset(emoface_animator* animator);

/* The whole state of a stream, to be continued bit for bit here or on another machine, by this library or in Python.
 * Not in real time: emoface_stop() first.
 *
 *   written  receives the number of bytes; with EMOFACE_ERROR_BUFFER_TOO_SMALL the number that is needed */
EMOFACE_API emoface_status emoface_snapshot(emoface_animator* animator, void* buffer, int64_t capacity,
                                            int64_t* written);

/* Continue from a snapshot of an animator with the same package and options; after an error nothing has changed. */
EMOFACE_API emoface_status emoface_restore(emoface_animator* animator, const void* data, int64_t size);

/* ---- Changes in time --------------------------------------------------------------------------------------------- */

/* As `at`: from the audio fed so far on. (Any negative time means the same.) */
#define EMOFACE_NOW (-1.0)

/* Change the style, emotion, level or person for all frames at or after `at` seconds of audio time; NULL is the default. A time
 * before a frame that is computed is refused. In real time the call may wait for the block that is being computed. */
EMOFACE_API emoface_status emoface_set_style(emoface_animator* animator, const char* name, double at);
EMOFACE_API emoface_status emoface_set_emotion(emoface_animator* animator, const char* name, double at);
EMOFACE_API emoface_status emoface_set_level(emoface_animator* animator, const char* name, double at);
EMOFACE_API emoface_status emoface_set_person(emoface_animator* animator, const char* name, double at);

/* The same for any condition by its vector: weights of styles, emotions or persons, "speaker_mean", ...
 *
 * Weights are taken as they are: they need not sum to 1. EMOFACE_ERROR_CONDITION for a number out of range or NaN.
 *
 *   values  float [count]: weights of styles, emotions, levels or persons from 0 to 10, values of other conditions from
 *           -1e4 to 1e4; NULL with count = 0 is the package's default
 *   at      seconds of audio time, at most 1e9 */
EMOFACE_API emoface_status emoface_set_condition(emoface_animator* animator, const char* condition,
                                                 const float* values, int64_t count, double at);

/* How emotion keys become the emotion of a frame. Zero is a value here, so fill it with emoface_emotion_blending_init(). */
typedef struct emoface_emotion_blending {
    uint32_t struct_size;
    int32_t max_emotions;      /* 1 to 64, default 6: of a key's emotions the strongest so many count */
    double transition_seconds; /* 0 to 10, default 0.5: from a key to its emotion, smoothly */
    double strength;           /* 0 to 1, default 1: how much of the emotions is shown; the rest is `rest` */
    double contrast;           /* 0.3 to 3, default 1: above it the stronger of several emotions gains on the weaker (w becomes
                                  w^contrast, their sum stays) */
    double neutral_after;      /* seconds after which a key that no other has followed goes back to `rest`; below 0, the
                                  default: never */
    const char* rest;          /* the emotion that fills weights up to 1; NULL = "neutral"; "auto" follows the voice */
} emoface_emotion_blending;

/* Fill `blending` with the defaults; `struct_size` is sizeof(emoface_emotion_blending) in the caller's program. */
EMOFACE_API emoface_status emoface_emotion_blending_init(emoface_emotion_blending* blending, uint32_t struct_size);

/* An emotion, or several at once, from a time on. */
typedef struct emoface_emotion_key {
    double time;          /* seconds of audio, 0 to 1e6 */
    const float* weights; /* float [count]: the condition "emotion", 0 to 10; a sum above 1 is brought down to 1 */
    int64_t count;        /* its length; NULL and 0: `rest` alone */
} emoface_emotion_key;

/* Let emotions hold at times. A key begins to act at its time and is reached `transition_seconds` later, from wherever the
 * emotion then is; between them it changes from frame to frame.
 *
 *   keys      at most 10000, in the order of their times; EMOFACE_ERROR_CONDITION, and nothing changed, for others, for a time
 *             whose frame is computed, for weights out of range
 *   blending  NULL = the defaults */
EMOFACE_API emoface_status emoface_set_emotion_keys(emoface_animator* animator, const emoface_emotion_key* keys, int64_t count,
                                                    const emoface_emotion_blending* blending);

/* What emoface_calibrate() found out. Set struct_size = sizeof(emoface_calibration), and speaker_mean to an array or NULL. */
typedef struct emoface_calibration {
    uint32_t struct_size;
    int32_t capacity;    /* floats that `speaker_mean` has room for */
    float* speaker_mean; /* receives the condition "speaker_mean", to be kept with EMOFACE_TEXT_DIGEST: another package's
                            means nothing. emoface_set_condition() and `conditions` of the configuration take it */
    int64_t count;       /* receives its length, also with EMOFACE_ERROR_BUFFER_TOO_SMALL; then nothing was computed */
    double seconds;      /* receives the seconds of speech that were used */
} emoface_calibration;

/* Calibrate on a voice that the model was not trained on: the mean emotion feature of its neutral speech becomes the
 * condition "speaker_mean", until emoface_reset(). The stream is not disturbed. Takes a few percent of the speech's length;
 * in real time the worker goes on meanwhile.
 *
 *   samples      mono, -1 to 1: about 10 s of the voice speaking calmly, 2 to 120 s (EMOFACE_ERROR_AUDIO for less audible
 *                speech, silence or NaN)
 *   sample_rate  of `samples`; 0 = the animator's
 *   at           as emoface_set_condition()
 *   result       may be NULL
 *   returns      EMOFACE_ERROR_PACKAGE where the model has no emotion stage that can be calibrated */
EMOFACE_API emoface_status emoface_calibrate(emoface_animator* animator, const float* samples, int64_t count,
                                             int32_t sample_rate, double at, emoface_calibration* result);

/* ---- Real time --------------------------------------------------------------------------------------------------- */

/* How the worker is started. Zero is the default everywhere. */
typedef struct emoface_realtime_config {
    uint32_t struct_size;
    int32_t queue_ms;   /* audio that can wait for the worker; 0 = 2000 */
    int32_t history_ms; /* frames that are kept for emoface_sample(); 0 = 2000 */
    int32_t reserved;
} emoface_realtime_config;

/* Fill a configuration with the defaults; `struct_size` is sizeof(emoface_realtime_config) in the caller's program. */
EMOFACE_API emoface_status emoface_realtime_config_init(emoface_realtime_config* config, uint32_t struct_size);

/* Start the worker thread. From now on audio comes by emoface_push() and frames go by emoface_sample(). */
EMOFACE_API emoface_status emoface_start(emoface_animator* animator, const emoface_realtime_config* config);

/* Let the worker compute what was pushed, and end it. Frames stay for emoface_sample(); emoface_step() may go on. */
EMOFACE_API emoface_status emoface_stop(emoface_animator* animator);

/* Queue audio, from the audio thread: no lock, no allocation, no system call, no waiting.
 *
 *   samples, count  as emoface_step()
 *   returns         EMOFACE_ERROR_QUEUE_FULL where not all of it fits; then nothing was taken, and it is counted.
 *                   EMOFACE_ERROR_STREAM_ENDED after emoface_flush(). EMOFACE_ERROR_RUNTIME once the worker failed */
EMOFACE_API emoface_status emoface_push(emoface_animator* animator, const void* samples, int64_t count);

/* The face at a moment of audio time, interpolated between the two frames around it.
 *
 *   audio_time  seconds since the first sample pushed: the sample that is being heard now, or, for a face that is never
 *               late, that time minus the latency (delay the sound instead to keep both together)
 *   out         one frame; `time` receives the time that was returned
 *   returns     EMOFACE_OK, or a notice: EMOFACE_NOTICE_NO_FRAME (the neutral face), EMOFACE_NOTICE_LATE (the newest
 *               frame), EMOFACE_NOTICE_EARLY (the oldest frame kept). All three write `out` and are counted */
EMOFACE_API emoface_status emoface_sample(emoface_animator* animator, double audio_time, const emoface_frames* out);

/* What happened since emoface_start() or emoface_reset(). Set struct_size = sizeof(emoface_statistics). */
typedef struct emoface_statistics {
    uint32_t struct_size;
    int32_t failed;            /* status of the worker's failure, 0 where there is none */
    int64_t pushed_samples;    /* per channel */
    int64_t rejected_samples;  /* by EMOFACE_ERROR_QUEUE_FULL */
    int64_t waiting_samples;   /* in the queue now */
    int64_t frames;            /* computed */
    int64_t sampled;           /* calls of emoface_sample() */
    int64_t no_frame;          /* of these: EMOFACE_NOTICE_NO_FRAME */
    int64_t late;              /* of these: EMOFACE_NOTICE_LATE */
    int64_t early;             /* of these: EMOFACE_NOTICE_EARLY */
    double newest_time;        /* `time` of the newest frame in seconds, -1 where there is none */
    double mean_block_seconds; /* computing time per block that was due */
    double worst_block_seconds;
} emoface_statistics;

/* Fill `statistics`. */
EMOFACE_API emoface_status emoface_get_statistics(emoface_animator* animator, emoface_statistics* statistics);

/* ---- Blendshapes ------------------------------------------------------------------------------------------------- */

/* Finds blendshape weights for frames, with the package's blendshapes or the caller's. Warm-started and smoothed in
 * time: one solver per voice, frames in order, one thread at a time. */
typedef struct emoface_solver emoface_solver;

/* How a solver is made. */
typedef struct emoface_solver_config {
    uint32_t struct_size;
    int32_t shapes;        /* S' of the caller's own shapes; 0 = the package's */
    const float* deltas;   /* [S', V, 3] offsets at weight 1 in the package's unit; NULL = the package's */
    float sparsity;        /* 0 = the default, negative = none; larger values leave more weights at 0 */
    float smoothness;      /* 0 = the default, negative = none; larger values follow motion more slowly */
} emoface_solver_config;

/* Fill a configuration with the defaults; `struct_size` is sizeof(emoface_solver_config) in the caller's program. */
EMOFACE_API emoface_status emoface_solver_config_init(emoface_solver_config* config, uint32_t struct_size);

/* Make a solver; EMOFACE_ERROR_PACKAGE where neither the package nor `config` has shapes. config NULL = defaults. */
EMOFACE_API emoface_status emoface_solver_create(emoface_package* package, const emoface_solver_config* config,
                                                 emoface_solver** solver);

/* Release a solver. NULL is harmless. */
EMOFACE_API void emoface_solver_release(emoface_solver* solver);

/* Weights for one frame.
 *
 *   offsets  float [V, 3]: the frame's vertices minus the neutral face that was animated
 *   weights  receives float [S], each 0..1 */
EMOFACE_API emoface_status emoface_solver_solve(emoface_solver* solver, const float* offsets, float* weights);

/* Forget the frames so far. */
EMOFACE_API emoface_status emoface_solver_reset(emoface_solver* solver);

/* ---- Retargeting ------------------------------------------------------------------------------------------------- */

/* Turns and scales motion so that it fits another mesh of the same topology: a longer chin moves further, along its own
 * direction. (`template_vertices` of emoface_animator_config adds the same offsets to another face.) For every vertex the
 * similarity transform that best carries its surroundings from the package's face to the other is found once. Closed lips
 * stay closed. Immutable once made: any number of threads may use it. */
typedef struct emoface_retarget emoface_retarget;

/* Find the transforms: takes up to a second for 5000 vertices.
 *
 *   template_vertices  float [V, 3], the other face at rest, in the package's unit
 *   template_count     number of its vertices
 *   faces              int32 [triangle_count, 3], its triangles, which must be the package's; NULL = not known
 *   triangle_count     their number, 0 where faces = NULL
 *   retarget           receives the handle; release it with emoface_retarget_release()
 *   returns            EMOFACE_ERROR_TEMPLATE for another number of vertices, other triangles, NaN or a flat mesh */
EMOFACE_API emoface_status emoface_retarget_create(const emoface_package* package, const float* template_vertices,
                                                   int64_t template_count, const int32_t* faces, int64_t triangle_count,
                                                   emoface_retarget** retarget);

/* Release it. NULL is harmless. */
EMOFACE_API void emoface_retarget_release(emoface_retarget* retarget);

/* The other face's offsets for the package's. Allocates nothing; each frame has the same bits in any company.
 *
 *   offsets  float [count, V, 3]: vertices of frames minus the neutral face that was animated; or whole blendshapes, from
 *            emoface_package_blendshape(), for a solver or a character of that shape
 *   count    0 or more
 *   moved    receives float [count, V, 3]: add them to the other face's vertices; may be the same array as `offsets` */
EMOFACE_API emoface_status emoface_retarget_offsets(const emoface_retarget* retarget, const float* offsets, int64_t count,
                                                    float* moved);

/* ---- Proof ------------------------------------------------------------------------------------------------------- */

/* What emoface_verify() found. Set struct_size = sizeof(emoface_verification). */
typedef struct emoface_verification {
    uint32_t struct_size;
    int32_t passed;        /* 1 where every error is within the tolerance, and the count of frames is right */
    int64_t frames;        /* frames compared */
    double offsets_error;  /* largest difference of a coordinate from the golden vectors, as a share of the motion range */
    double emotion_error;  /* largest difference of a probability or weight; 0 where the package has none */
    double tolerance;      /* of offsets_error, for this precision; in fp32 of stages_error too */
    double stages_error;   /* largest difference of any output of a stage but the offsets, as a share of that output's range */
} emoface_verification;

/* Run the package's golden vectors (a short input, and what each stage gave for it in fp32 PyTorch) through a fresh stream,
 * and compare every output of every stage. Takes about a second.
 *
 *   config  as emoface_animator_create(): precision, backend, threads and block_ms count; NULL = defaults */
EMOFACE_API emoface_status emoface_verify(emoface_package* package, const emoface_animator_config* config,
                                          emoface_verification* result);

#ifdef __cplusplus
}
#endif

#endif
