#!/bin/bash
# What an untrusted caller can make of an nslp with a file capability, by environment variables of the .NET runtime: a
# line each. Usage, as root: privilege.sh DIRECTORY-OF-NSLP ASSEMBLY-WITH-A-STARTUP-HOOK
# "code runs with CapEff ..." is code of the caller inside nslp; 0000010000000000 is CAP_CHECKPOINT_RESTORE.
set -u
[ "${inside:-}" ] || inside=1 exec unshare -pfm --mount-proc --kill-child bash "$0" "$@"

mount -t tmpfs none /mnt
cp -r "$1" /mnt/nslp
cp "$2" /mnt/hook.dll
setcap cap_checkpoint_restore+ep /mnt/nslp/nslp || exit 77
mkdir -m 1777 /mnt/out
user="setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all"

# A library that tells when it is loaded, and with which capability.
cat >/mnt/evil.c <<'C'
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
__attribute__((constructor)) static void loaded(void)
{
    static char status[8192];
    int fd = open("/proc/self/status", O_RDONLY);
    read(fd, status, sizeof status - 1);
    close(fd);
    char *line = strstr(status, "CapEff:");
    fd = open("/mnt/out/proof", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    write(fd, line + 8, 16);
    close(fd);
}
C
cc -shared -fPIC -w -o /mnt/evil.so /mnt/evil.c || exit 77
mkdir -p /mnt/dotnet/host/fxr/99.0.0 /mnt/dotnet/shared
cp /mnt/evil.so /mnt/dotnet/host/fxr/99.0.0/libhostfxr.so
echo 'no JSON' >/mnt/bad.deps.json
chmod -R a+rX /mnt

# report NAME STATUS: what came of it.
report() {
    local files=(/mnt/out/* /tmp/perf*)
    if [ -s /mnt/out/proof ]; then
        echo "$1: code runs with CapEff $(cat /mnt/out/proof)"
    elif [ ${#files[@]} -gt 0 ]; then
        echo "$1: a file is written as user $(stat -c %u "${files[0]}")"
    elif [ "$2" -eq 124 ]; then
        echo "$1: nslp waits for a debugger"
    elif [ "$2" -ne 0 ]; then
        echo "$1: obeyed"
    else
        echo "$1: ignored"
    fi
    rm -rf "${files[@]}"
}

# try NAME VARIABLE=VALUE...: what nslp get does then.
try() {
    local name=$1
    shift
    timeout 10 $user env -C /mnt/out -- "$@" /mnt/nslp/nslp get >/mnt/stdout 2>/mnt/stderr
    report "$name" $?
}

# Whoever runs this, dotnet test for one, has variables of its own.
for name in $(compgen -e | grep -E '^(DOTNET|CORECLR|COMPlus|COREHOST)'); do unset "$name"; done
shopt -s nullglob
mount -t tmpfs -o mode=1777 none /tmp
profiler='{cf0d821e-299b-5307-a3d8-b283c03916dd}'
try nothing A=B
try LD_PRELOAD LD_PRELOAD=/mnt/evil.so
try LD_AUDIT LD_AUDIT=/mnt/evil.so
try LD_LIBRARY_PATH LD_LIBRARY_PATH=/mnt/dotnet/host/fxr/99.0.0
try DOTNET_STARTUP_HOOKS DOTNET_STARTUP_HOOKS=/mnt/hook.dll
try DOTNET_ADDITIONAL_DEPS DOTNET_ADDITIONAL_DEPS=/mnt/bad.deps.json
try DOTNET_ROOT DOTNET_ROOT=/mnt/dotnet
try DOTNET_ROOT_X64 DOTNET_ROOT_X64=/mnt/dotnet
try CORECLR_PROFILER CORECLR_ENABLE_PROFILING=1 CORECLR_PROFILER="$profiler" CORECLR_PROFILER_PATH=/mnt/evil.so
try DOTNET_PROFILER DOTNET_ENABLE_PROFILING=1 DOTNET_PROFILER="$profiler" DOTNET_PROFILER_PATH=/mnt/evil.so
try DOTNET_GCPath DOTNET_GCPath=/mnt/evil.so
try COMPlus_GCPath COMPlus_GCPath=/mnt/evil.so
try DOTNET_DiagnosticPorts DOTNET_DiagnosticPorts=/mnt/out/port,suspend
try DOTNET_DefaultDiagnosticPortSuspend DOTNET_DefaultDiagnosticPortSuspend=1
try DOTNET_EventPipeOutputPath DOTNET_EnableEventPipe=1 DOTNET_EventPipeOutputPath=/mnt/out/trace
try DOTNET_PerfMapEnabled DOTNET_PerfMapEnabled=1
try COMPlus_PerfMapEnabled COMPlus_PerfMapEnabled=1
try DOTNET_JitStdOutFile DOTNET_JitStdOutFile=/mnt/out/jit DOTNET_JitDisasmSummary=1 DOTNET_ReadyToRun=0
try COREHOST_TRACEFILE COREHOST_TRACE=1 COREHOST_TRACEFILE=/mnt/out/host
try DOTNET_BUNDLE_EXTRACT_BASE_DIR DOTNET_BUNDLE_EXTRACT_BASE_DIR=/mnt/out/bundle
try DOTNET_gcServer DOTNET_gcServer=1

# A crash while nslp waits, as only that is sure to be in time.
timeout -k 5 -s ABRT 5 $user env DOTNET_DefaultDiagnosticPortSuspend=1 DOTNET_DbgEnableMiniDump=1 DOTNET_DbgMiniDumpName=/mnt/out/dump \
    /mnt/nslp/nslp get >/mnt/stdout 2>/mnt/stderr
report DOTNET_DbgMiniDumpName 0
