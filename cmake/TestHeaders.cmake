# Every header compiles alone, in each language it promises, at each API level; and the callback types, which are written by
# hand, fit the generated prototypes.

include(CheckCCompilerFlag)
set(dmf_header_languages "c;c11")
foreach(c23 c23 c2x)
  check_c_compiler_flag(-std=${c23} DMF_HAVE_${c23})
  if(DMF_HAVE_${c23})
    list(APPEND dmf_header_languages "c;${c23}")
    break()
  endif()
endforeach()
if(CMAKE_CXX_COMPILER)
  list(APPEND dmf_header_languages "c++;c++17;c++;c++20")
endif()
# C++ also with the other compiler, where it is there.
if(NOT CMAKE_CXX_COMPILER_ID MATCHES Clang)
  find_program(DMF_CLANG_PROGRAM NAMES clang++ clang++-19 clang++-18 clang++-17 clang++-16 clang++-15 clang++-14)
endif()

while(dmf_header_languages)
  list(POP_FRONT dmf_header_languages language standard)
  set(compiler "${CMAKE_C_COMPILER}")
  if(language STREQUAL "c++")
    set(compiler "${CMAKE_CXX_COMPILER}")
    if(DMF_CLANG_PROGRAM)
      add_test(NAME headers.clang.${standard}
        COMMAND "${BASH_PROGRAM}" tests/headers/run.sh "${DMF_CLANG_PROGRAM}" ${language} ${standard}
        WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
      set_tests_properties(headers.clang.${standard} PROPERTIES TIMEOUT 900)
    endif()
  endif()
  add_test(NAME headers.${standard}
    COMMAND "${BASH_PROGRAM}" tests/headers/run.sh "${compiler}" ${language} ${standard}
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
  set_tests_properties(headers.${standard} PROPERTIES TIMEOUT 900)
endwhile()
if(CMAKE_CXX_COMPILER AND NOT CMAKE_CXX_COMPILER_ID MATCHES Clang AND NOT DMF_CLANG_PROGRAM)
  message(STATUS "clang++ not found: the C++ headers are compiled with one compiler only")
endif()
