namespace SetNsLastPid.Verification

open SetNsLastPid

/// The model's operations as a value, so that tests can put a wrong one in their place.
type Allocator =
    {
        /// `PidStack.allocate`.
        Allocate: KernelRules -> int list -> PidStack -> struct (Allocation * PidStack)
        /// `PidStack.failLate`.
        FailLate: KernelRules -> Errno -> int list -> PidStack -> struct (Allocation * PidStack)
        /// `PidRace.both`.
        Race: PidStack -> struct (Allocation * Allocation * PidStack) list
        /// `PidStack.release`.
        Release: int list -> PidStack -> PidStack
        /// `PidStack.nest`.
        Nest: KernelRules -> int -> bool -> PidStack -> Result<PidStack, Errno>
        /// `PidStack.initDies`.
        InitDies: PidStack -> PidStack
        /// `PidStack.writePidMax`.
        WritePidMax: KernelRules -> int -> PidStack -> Result<PidStack, Errno>
        /// `PidNamespace.writeLastPid`, the text as an array.
        WriteLastPid: KernelRules -> int64 -> byte[] -> PidNamespace -> struct (LastPidWrite * PidNamespace)
    }

/// Allocators.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
module Allocator =
    /// The model itself.
    let model: Allocator =
        {
            Allocate = PidStack.allocate
            FailLate = PidStack.failLate
            Race = PidRace.both
            Release = PidStack.release
            Nest = PidStack.nest
            InitDies = PidStack.initDies
            WritePidMax = PidStack.writePidMax
            WriteLastPid =
                fun kernel offset text ns -> PidNamespace.writeLastPid kernel offset (System.ReadOnlySpan text) ns
        }
