# The library itself: one cargo run makes both forms, which then stand in the build folder under the names that programs
# load them by. Defines dmf::shared, dmf::static and dmf::dmf (one of the two, by BUILD_SHARED_LIBS).

find_program(DMF_CARGO cargo HINTS "$ENV{CARGO_HOME}/bin" "$ENV{HOME}/.cargo/bin" REQUIRED)
find_program(DMF_RUSTC rustc HINTS "$ENV{CARGO_HOME}/bin" "$ENV{HOME}/.cargo/bin" REQUIRED)

set(dmf_target_dir "${CMAKE_CURRENT_BINARY_DIR}/cargo")
if(DEFINED ENV{CARGO_TARGET_DIR})
  get_filename_component(dmf_target_dir "$ENV{CARGO_TARGET_DIR}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
endif()
set(DMF_CARGO_TARGET_DIR "${dmf_target_dir}" CACHE PATH "Where cargo builds")
set(dmf_run_cargo "${CMAKE_COMMAND}" -E env "CARGO_TARGET_DIR=${DMF_CARGO_TARGET_DIR}" "${DMF_CARGO}")

set(DMF_SONAME "libdmf.so.${DMF_ABI}")
set(DMF_SHARED_FILE "${DMF_SONAME}.${PROJECT_VERSION_MINOR}.${PROJECT_VERSION_PATCH}")
set(DMF_SHARED_LIBRARY "${CMAKE_CURRENT_BINARY_DIR}/${DMF_SHARED_FILE}")
set(DMF_STATIC_LIBRARY "${CMAKE_CURRENT_BINARY_DIR}/libdmf.a")

# `cargo rustc` with the two crate types spelled out, not `cargo build`: with the rlib among them, cargo leaves
# link-time optimisation out.
set(dmf_debug "$<CONFIG:Debug>")
set(dmf_cargo_output "${DMF_CARGO_TARGET_DIR}/$<IF:${dmf_debug},debug,release>")
add_custom_target(dmf_cargo ALL
  COMMAND ${dmf_run_cargo} rustc --lib --crate-type cdylib,staticlib --profile $<IF:${dmf_debug},dev,release>
          $<$<BOOL:${DMF_PLAIN_LOCKS}>:--features=plain-locks>
  COMMAND "${CMAKE_COMMAND}" -E copy_if_different "${dmf_cargo_output}/libdmf.so" "${DMF_SHARED_LIBRARY}"
  COMMAND "${CMAKE_COMMAND}" -E copy_if_different "${dmf_cargo_output}/libdmf.a" "${DMF_STATIC_LIBRARY}"
  BYPRODUCTS "${DMF_SHARED_LIBRARY}" "${DMF_STATIC_LIBRARY}"
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
  COMMENT "Building libdmf with cargo"
  USES_TERMINAL VERBATIM COMMAND_EXPAND_LISTS)
file(CREATE_LINK "${DMF_SHARED_FILE}" "${CMAKE_CURRENT_BINARY_DIR}/${DMF_SONAME}" SYMBOLIC)
file(CREATE_LINK "${DMF_SONAME}" "${CMAKE_CURRENT_BINARY_DIR}/libdmf.so" SYMBOLIC)

# The system libraries behind the static library: rustc knows them.
execute_process(
  COMMAND "${DMF_RUSTC}" --crate-name probe --crate-type staticlib --print native-static-libs
          -o "${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/probe.a" -
  INPUT_FILE /dev/null
  ERROR_VARIABLE rustc_notes
  COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCH "native-static-libs: ([^\n]*)" found "${rustc_notes}")
if(NOT found)
  message(FATAL_ERROR "rustc does not say which system libraries a static library needs:\n${rustc_notes}")
endif()
string(STRIP "${CMAKE_MATCH_1}" DMF_STATIC_LIBS)
separate_arguments(dmf_static_libs UNIX_COMMAND "${DMF_STATIC_LIBS}")

add_library(dmf::shared SHARED IMPORTED GLOBAL)
set_target_properties(dmf::shared PROPERTIES
  IMPORTED_LOCATION "${DMF_SHARED_LIBRARY}"
  IMPORTED_SONAME "${DMF_SONAME}"
  INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_CURRENT_SOURCE_DIR}/include")
add_dependencies(dmf::shared dmf_cargo)

add_library(dmf::static STATIC IMPORTED GLOBAL)
set_target_properties(dmf::static PROPERTIES
  IMPORTED_LOCATION "${DMF_STATIC_LIBRARY}"
  INTERFACE_LINK_LIBRARIES "${dmf_static_libs}"
  INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_CURRENT_SOURCE_DIR}/include")
add_dependencies(dmf::static dmf_cargo)

add_library(dmf::dmf INTERFACE IMPORTED GLOBAL)
set_target_properties(dmf::dmf PROPERTIES
  INTERFACE_LINK_LIBRARIES $<IF:$<BOOL:${BUILD_SHARED_LIBS}>,dmf::shared,dmf::static>)
