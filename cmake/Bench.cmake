# `make bench`: the library beside its peers, in one program; see benches/. Built only where the peers' packages are; DPDK may be
# missing.

find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(BENCH_PEERS QUIET IMPORTED_TARGET ck glib-2.0 jack libevent libevent_pthreads tbb)
  pkg_check_modules(BENCH_RTE QUIET libdpdk)
endif()
set(bench_missing "")
foreach(header IN ITEMS boost/lockfree/queue.hpp boost/circular_buffer.hpp concurrentqueue/concurrentqueue.h
        readerwriterqueue/readerwriterqueue.h cds/container/vyukov_mpmc_cycle_queue.h xenium/vyukov_bounded_queue.hpp valgrind/callgrind.h)
  string(MAKE_C_IDENTIFIER "BENCH_${header}" found)
  find_path(${found} "${header}")
  mark_as_advanced(${found})
  if(NOT ${found})
    list(APPEND bench_missing "${header}")
  endif()
endforeach()
find_library(BENCH_CDS cds)

if(BENCH_PEERS_FOUND AND BENCH_CDS AND NOT bench_missing AND CMAKE_CXX_COMPILER)
  # The peers that are crates.
  set(bench_crates "${CMAKE_CURRENT_BINARY_DIR}/peers-rs/release/libpeers_rs.a")
  add_custom_target(bench_crates
    COMMAND "${CMAKE_COMMAND}" -E env "CARGO_TARGET_DIR=${CMAKE_CURRENT_BINARY_DIR}/peers-rs"
            "${DMF_CARGO}" build --quiet --release --locked --manifest-path "${CMAKE_CURRENT_SOURCE_DIR}/benches/peers-rs/Cargo.toml"
    BYPRODUCTS "${bench_crates}"
    COMMENT "Building the crates to compare with"
    USES_TERMINAL VERBATIM)

  # The library with plain locks, to measure beside.
  set(bench_plain "${CMAKE_CURRENT_BINARY_DIR}/plain/release/libdmf.so")
  add_custom_target(bench_plain
    COMMAND "${CMAKE_COMMAND}" -E env "CARGO_TARGET_DIR=${CMAKE_CURRENT_BINARY_DIR}/plain"
            "${DMF_CARGO}" rustc --quiet --release --lib --crate-type cdylib --features=plain-locks
    BYPRODUCTS "${bench_plain}"
    WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
    COMMENT "Building the library with plain locks"
    USES_TERMINAL VERBATIM)

  add_executable(dmf_bench EXCLUDE_FROM_ALL
    benches/main.cpp benches/report.cpp benches/bars.cpp benches/counts.cpp benches/quiet.cpp
    benches/rings.cpp benches/buffers.cpp benches/packets.cpp benches/requests.cpp benches/timers.cpp benches/objects.cpp
    benches/locks.cpp benches/peers_c.c)
  add_dependencies(dmf_bench bench_crates bench_plain)
  target_compile_features(dmf_bench PRIVATE cxx_std_20 c_std_11)
  target_compile_options(dmf_bench PRIVATE -O2)
  target_compile_definitions(dmf_bench PRIVATE BENCH_PLAIN_LIBRARY="${bench_plain}")
  find_package(Threads REQUIRED)
  target_link_libraries(dmf_bench PRIVATE dmf::shared PkgConfig::BENCH_PEERS "${BENCH_CDS}" "${bench_crates}" Threads::Threads ${CMAKE_DL_LIBS})
  set_target_properties(dmf_bench PROPERTIES BUILD_RPATH "${CMAKE_CURRENT_BINARY_DIR}")
  if(BENCH_RTE_FOUND)
    target_compile_definitions(dmf_bench PRIVATE BENCH_WITH_RTE)
    target_sources(dmf_bench PRIVATE benches/peers_rte.c)
    set_source_files_properties(benches/peers_rte.c PROPERTIES COMPILE_OPTIONS "${BENCH_RTE_CFLAGS}")
    # The last one is not called: it registers what a pool keeps its buffers in.
    target_link_libraries(dmf_bench PRIVATE rte_mempool rte_ring rte_eal "-Wl,--no-as-needed" rte_mempool_ring)
  endif()
  # That it runs and its results are right, not how fast it is.
  add_test(NAME bench.build COMMAND "${CMAKE_COMMAND}" --build "${CMAKE_CURRENT_BINARY_DIR}" --target dmf_bench)
  set_tests_properties(bench.build PROPERTIES LABELS all TIMEOUT 600 FIXTURES_SETUP bench RESOURCE_LOCK cargo)
  add_test(NAME bench.runs COMMAND dmf_bench --quick)
  add_test(NAME bench.counts COMMAND dmf_bench --counts --only f)
  set_tests_properties(bench.runs bench.counts PROPERTIES LABELS all TIMEOUT 300 FIXTURES_REQUIRED bench)
else()
  foreach(name runs counts)
    add_test(NAME bench.${name} COMMAND "${BASH_PROGRAM}" -c
      "echo 'skipped: packages to compare with are missing; scripts/tools.sh bench installs them'; exit 77")
    set_tests_properties(bench.${name} PROPERTIES LABELS all SKIP_RETURN_CODE 77)
  endforeach()
endif()
