namespace SetNsLastPid.Tests.Properties

open System.Text
open SetNsLastPid

/// A PID namespace as plain numbers: what both the model and the reference are built from, and what a failure prints.
type Space =
    {
        Cursor: int
        PidMax: int
        Reserved: int
        /// The numbers in use as ranges, both ends included, ascending and apart.
        Held: (int * int) list
        Life: Life
        MayChoose: bool
    }

/// Spaces and what they stand for.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
module Space =
    /// Ranges in any order, brought into ascending ones that neither overlap nor touch.
    let ranges (held: (int * int) seq) : (int * int) list =
        ([], Seq.sort held)
        ||> Seq.fold (fun earlier (first, last) ->
            match earlier with
            | (low, high) :: rest when first <= high + 1 -> (low, max high last) :: rest
            | _ -> (first, last) :: earlier)
        |> List.rev

    /// The numbers in use, ascending.
    let numbers (space: Space) : int seq =
        space.Held |> Seq.collect (fun (first, last) -> seq { first..last })

    /// How many numbers are in use.
    let count (space: Space) : int =
        space.Held |> List.sumBy (fun (first, last) -> last - first + 1)

    let isHeld (pid: int) (space: Space) : bool =
        space.Held |> List.exists (fun (first, last) -> first <= pid && pid <= last)

    /// The space as the model has it.
    let toModel (space: Space) : PidNamespace =
        {
            Cursor = space.Cursor
            PidMax = space.PidMax
            Reserved = space.Reserved
            InUse =
                (PidSet.empty, space.Held)
                ||> List.fold (fun set (a, b) -> PidSet.addRange a b set)
            Life = space.Life
            MayChoose = space.MayChoose
        }

    /// What the model has, as a space.
    let ofModel (ns: PidNamespace) : Space =
        {
            Cursor = ns.Cursor
            PidMax = ns.PidMax
            Reserved = ns.Reserved
            Held = ranges (PidSet.toSeq ns.InUse |> Seq.map (fun n -> n, n))
            Life = ns.Life
            MayChoose = ns.MayChoose
        }

    /// Whether such a namespace can be: one that never had a process is as new, the others stand behind PID 0, and a
    /// live one has its init.
    let isValid (space: Space) : bool =
        space.PidMax > space.Reserved
        && space.PidMax <= Limits.PidMax
        && space.Cursor <= Limits.PidMax + 1
        && space.Held = ranges space.Held
        && space.Held
           |> List.forall (fun (first, last) -> 1 <= first && first <= last && last < Limits.PidMax)
        && match space.Life with
           | Life.Unborn -> space.Cursor = 0 && space.Held.IsEmpty
           | Life.Alive -> space.Cursor >= 1 && isHeld 1 space
           | Life.Dead -> space.Cursor >= 1
           | Life.Stillborn -> space.Held.IsEmpty

/// A clone: into which stack of namespaces, innermost first, with which set_tid, on which kernel.
type Request =
    {
        Kernel: KernelRules
        SetTid: int list
        Levels: Space list
    }

/// Requests and what they stand for.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
module Request =
    let stack (request: Request) : PidStack = List.map Space.toModel request.Levels

    /// Whether such a stack can be: only the innermost level may be unborn, a dead level has only dead ones inside, and
    /// before 6.14 there is one pid_max.
    let isValid (request: Request) : bool =
        not request.Levels.IsEmpty
        && request.Levels.Length <= Limits.Levels + 1
        && List.forall Space.isValid request.Levels
        && request.Levels.Tail
           |> List.forall (fun level -> level.Life <> Life.Unborn && level.Life <> Life.Stillborn)
        && request.Levels
           |> List.pairwise
           |> List.forall (fun (inner, outer) -> outer.Life <> Life.Dead || inner.Life = Life.Dead)
        && (request.Kernel.PidMaxPerNamespace
            || request.Levels
               |> List.forall (fun level -> level.PidMax = request.Levels.Head.PidMax))

/// Bytes that print as a text.
[<StructuredFormatDisplay("{AsText}")>]
type Text =
    | Text of byte[]

    member text.AsText =
        let (Text bytes) = text

        let show (b: byte) =
            if b = '\\'B then "\\\\"
            elif b >= 32uy && b < 127uy then string (char b)
            else $"\\x%02x{b}"

        let body = String.concat "" (Array.truncate 200 bytes |> Array.map show)

        if bytes.Length > 200 then
            $"\"%s{body}\"... (%d{bytes.Length} bytes, ends in %A{Array.skip (bytes.Length - 40) bytes |> Encoding.Latin1.GetString})"
        else
            $"\"%s{body}\" (%d{bytes.Length} bytes)"

/// One write to ns_last_pid.
type LastPidRequest =
    {
        Kernel: KernelRules
        Space: Space
        Offset: int64
        Text: Text
    }
