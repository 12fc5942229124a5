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
  list(APPEND dmf_header_languages "c++;c++17")
endif()

while(dmf_header_languages)
  list(POP_FRONT dmf_header_languages language standard)
  set(compiler "${CMAKE_C_COMPILER}")
  if(language STREQUAL "c++")
    set(compiler "${CMAKE_CXX_COMPILER}")
  endif()
  add_test(NAME headers.${standard}
    COMMAND "${BASH_PROGRAM}" tests/headers/run.sh "${compiler}" ${language} ${standard}
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
endwhile()
