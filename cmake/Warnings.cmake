# How the project compiles C of its own: strictly, its headers included.

set(DMF_C_WARNINGS -Wall -Wextra -Wpedantic -Werror -Werror=incompatible-pointer-types)

# A program of the project, from one C file.
function(dmf_add_program name source)
  add_executable(${name} "${source}")
  target_link_libraries(${name} PRIVATE dmf::dmf Threads::Threads)
  target_compile_options(${name} PRIVATE ${DMF_C_WARNINGS})
  set_target_properties(${name} PROPERTIES
    C_STANDARD 11
    C_STANDARD_REQUIRED ON
    NO_SYSTEM_FROM_IMPORTED ON)
endfunction()

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
