# shellcheck shell=bash
# Sourced by the tests of this folder: how a program is run and judged.

# runs KIND PROGRAM RECORDING: the program streams every report of the recording; a static one, and only that, does
# without the shared library.
runs() {
    local kind=$1 program=$2 recording=$3 expected said linked
    expected=$(grep -c '^E:' "$recording")
    said=$("$program" "$recording")
    if [ "$said" != "$expected reports" ]; then
        echo "$program says '$said', not '$expected reports'"
        exit 1
    fi
    case $(ldd "$program") in
    *libdmf*) linked=shared ;;
    *) linked=static ;;
    esac
    if [ "$linked" != "$kind" ]; then
        echo "$program was to be linked $kind, and is linked $linked"
        exit 1
    fi
    echo "$(basename "$program"): $said"
}

# builds_four_ways CMAKE C CXX PREFIX WORK RECORDING: C11 and C++17, find_package and pkg-config, shared and static.
builds_four_ways() {
    local cmake=$1 c=$2 cxx=$3 prefix=$4 work=$5 recording=$6 source
    source=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

    for shared in ON OFF; do
        echo "== find_package, BUILD_SHARED_LIBS=$shared"
        "$cmake" -S "$source" -B "$work/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_FIND_USE_CMAKE_SYSTEM_PATH=OFF \
            -DBUILD_SHARED_LIBS=$shared -DCMAKE_C_COMPILER="$c" -DCMAKE_CXX_COMPILER="$cxx" >"$work/configure.log"
        "$cmake" --build "$work/build" >"$work/build.log" || { cat "$work/build.log"; exit 1; }
        for language in c cpp; do
            runs shared "$work/build/${language}_shared" "$recording"
            runs static "$work/build/${language}_static" "$recording"
            runs $([ $shared = ON ] && echo shared || echo static) "$work/build/${language}_dmf" "$recording"
        done
    done

    builds_with_pkg_config "$c" "$cxx" "$prefix" "$work" "$recording"
}

# builds_with_pkg_config C CXX PREFIX WORK RECORDING
builds_with_pkg_config() {
    local c=$1 cxx=$2 prefix=$3 work=$4 recording=$5 libdir flags source
    source=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

    echo "== pkg-config"
    export PKG_CONFIG_LIBDIR
    PKG_CONFIG_LIBDIR=$(dirname "$(find "$prefix" -name dmf.pc)")
    libdir=$(dirname "$PKG_CONFIG_LIBDIR")
    # shellcheck disable=SC2046  # the flags are words
    "$c" -std=c11 "$source/stream.c" -o "$work/c_pkg_config" $(pkg-config --cflags --libs dmf)
    # shellcheck disable=SC2046
    "$cxx" -std=c++17 "$source/stream.cpp" -o "$work/cpp_pkg_config" $(pkg-config --cflags --libs dmf)
    for language in c cpp; do
        LD_LIBRARY_PATH=$libdir runs shared "$work/${language}_pkg_config" "$recording"
    done

    echo "== pkg-config --static"
    # -ldmf alone would take the shared library, which stands in the same folder.
    flags=$(pkg-config --static --libs dmf)
    flags=${flags/-ldmf/-l:libdmf.a}
    # shellcheck disable=SC2046,SC2086
    "$c" -std=c11 "$source/stream.c" -o "$work/c_pkg_config_static" $(pkg-config --cflags dmf) $flags
    # shellcheck disable=SC2046,SC2086
    "$cxx" -std=c++17 "$source/stream.cpp" -o "$work/cpp_pkg_config_static" $(pkg-config --cflags dmf) $flags
    # What the compiler links by itself could stand in for what dmf.pc does not name.
    # shellcheck disable=SC2046,SC2086
    "$c" -std=c11 -nodefaultlibs "$source/stream.c" -o "$work/c_pkg_config_static_alone" $(pkg-config --cflags dmf) $flags
    for program in c_pkg_config_static cpp_pkg_config_static c_pkg_config_static_alone; do
        runs static "$work/$program" "$recording"
    done
}
