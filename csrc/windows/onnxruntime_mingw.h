/* Included before ONNX Runtime's headers when MinGW-w64 compiles them: what Microsoft's compiler knows and it does not. */
#pragma once

#include <sal.h>

#ifndef _stdcall
#define _stdcall __stdcall
#endif
#ifndef _Return_type_success_
#define _Return_type_success_(condition)
#endif
#ifndef _Frees_ptr_opt_
#define _Frees_ptr_opt_
#endif
