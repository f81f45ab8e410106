namespace SetNsLastPid.Verification

open SetNsLastPid

/// A number of a PID namespace, said in terms of what is there when it is used, so that it stays near the edges whatever
/// came before.
[<RequireQualifiedAccess>]
type Number =
    /// This one.
    | Exactly of Value: int
    /// So far from the cursor, the number that is looked at first.
    | FromCursor of Distance: int
    /// So far from pid_max, which is one more than the largest PID.
    | FromPidMax of Distance: int
    /// One of the numbers in use, counted round and round from the lowest.
    | InUse of Index: int

/// How a number is written into ns_last_pid.
[<RequireQualifiedAccess>]
type Spelling =
    | Decimal
    | Hexadecimal
    | Octal
    /// White space around it.
    | Spaced
    /// A second number after it, which makes the write short.
    | Trailed
    /// Behind so much white space that only its first digit is looked at.
    | Cut
    /// In so many bytes, octal with zeros before it: from 21 on the kernel takes it for unfinished.
    | Filled of Bytes: int

/// What is written into ns_last_pid.
[<RequireQualifiedAccess>]
type Text =
    | Spelled of Number * Spelling
    /// These bytes, a character each (Latin-1).
    | Raw of string

/// A way into ns_last_pid other than pwrite to a descriptor that was opened before there was the sandbox.
[<RequireQualifiedAccess>]
type Route =
    /// pwrite to a descriptor that the agent of a namespace opened, by index.
    | OpenedBy of Space: int
    /// splice from a pipe.
    | Splice
    /// sendfile, to a descriptor that has not been used yet.
    | SendFile

/// Whether a clone makes a PID namespace for its child.
[<RequireQualifiedAccess>]
type Nesting =
    | Same
    /// CLONE_NEWPID.
    | NewPid
    /// CLONE_NEWUSER and CLONE_NEWPID: the new PID namespace belongs to a new user namespace.
    | NewUserAndPid

/// A way for a clone to fail after its numbers were taken.
[<RequireQualifiedAccess>]
type Late =
    /// CLONE_INTO_CGROUP with a descriptor that is not open: EBADF.
    | Cgroup
    /// CLONE_PIDFD with a soft RLIMIT_NOFILE of 0: EMFILE.
    | DescriptorLimit
    /// CLONE_PIDFD with a pointer that cannot be written to: EFAULT.
    | PidfdPointer
    /// In a pids cgroup that is full: EAGAIN (pids_can_fork, kernel/cgroup/pids.c, after alloc_pid in copy_process).
    | PidsCgroup

/// What becomes of a child.
[<RequireQualifiedAccess>]
type Ending =
    /// It exits at once and is reaped.
    | Exits
    /// It stays.
    | Lives
    /// It exits at once and is not reaped.
    | Lingers
    /// There is no child: the clone fails late, as a process or as a thread.
    | Fails of How: Late * AsThread: bool

/// What a dead leader's number lives on as.
[<RequireQualifiedAccess>]
type Bond =
    /// The process group of a member.
    | Group
    /// The session and the process group of a member.
    | Session
    /// The session of a member that leads a process group of its own.
    | SessionAlone
    /// Nothing: the member is its sibling (CLONE_PARENT), and the leader leads nobody.
    | Sibling

/// What becomes of a thread.
[<RequireQualifiedAccess>]
type Fate =
    /// It stays as long as its process.
    | Stays
    /// It executes a program that exits: it takes over its leader's number, and its own is free.
    | Execs

/// What is wrong with a request for a process, so that clone3 refuses it before it takes a number.
[<RequireQualifiedAccess>]
type Flaw =
    /// No set_tid array, but a size of 1: EINVAL.
    | SizeWithoutArray
    /// A set_tid array that has no size: EINVAL.
    | ArrayWithoutSize
    /// Neither an array nor a size that is allowed, 33: EINVAL.
    | SizeTooLarge
    /// A set_tid array that cannot be read: EFAULT.
    | UnreadableArray
    /// A structure of 72 bytes, which has an array but no size of it: EINVAL.
    | CutBeforeSize
    /// An exit signal that is none: EINVAL.
    | ExitSignal
    /// A flag that clone3 does not take, CLONE_DETACHED: EINVAL.
    | UnknownFlag
    /// CLONE_THREAD without CLONE_SIGHAND: EINVAL.
    | ThreadAlone
    /// CLONE_PARENT by an init, whose siblings nobody could reap: EINVAL.
    | SiblingOfInit

/// One thing that is done to a tree of PID namespaces. Each namespace has one agent, its init, which does what is done
/// in it. Namespaces and children are given by index: round and round through those that exist then, a negative one
/// from the newest. So every operation means something in every state, and any part of a sequence can be run.
[<RequireQualifiedAccess>]
type Operation =
    /// The agent of `From` calls clone3 with `SetTid`, innermost level first, with the capability or without it.
    | Clone of From: int * Nesting: Nesting * SetTid: Number list * Capable: bool * Ending: Ending
    /// A child is killed and reaped.
    | End of Child: int
    /// The init of a nested namespace is killed, and reaped with all that die with it.
    | EndInit of Of: int
    /// A child becomes a leader, forks a member and dies; the member lives on.
    | Forsake of From: int * Bond: Bond
    /// A child of the agent makes a thread with `SetTid`, and stays.
    | Thread of From: int * SetTid: Number list * Fate: Fate
    /// The agent and a child of its each fork a child, at once. Those two stay, and the child that made one of them is
    /// killed and reaped.
    | Race of From: int
    /// unshare(CLONE_NEWPID): the agent's next child is the init of a new namespace.
    | Unshare of From: int * Capable: bool
    /// setns: the agent's next children are made in the namespace `Into`, which may be dead.
    | Enter of From: int * Into: int * Capable: bool
    /// setns to the agent's own namespace.
    | Leave of From: int
    /// One pwrite of a text to ns_last_pid.
    | WriteLastPid of In: int * Text: Text * Offset: int * Capable: bool
    /// A text gets into ns_last_pid by another route.
    | Pass of In: int * Route: Route * Text: Text * Offset: int * Capable: bool
    /// Writes pid_max, where that is allowed.
    | WritePidMax of In: int * Number: Number
    /// The agent of `From` calls clone3 with something wrong.
    | Malformed of From: int * Flaw: Flaw

/// An operation once it is clear what it is done to. Namespaces and processes are numbered in the order they were made,
/// from 0; namespace 0 is the outermost of the sandbox and process 0 its init.
[<RequireQualifiedAccess>]
type Step =
    | Clone of From: int * Nesting: Nesting * SetTid: int list * Capable: bool * Ending: Ending
    | End of Process: int
    /// The namespace's init is killed and reaped; `Reaped` are those that die with it but have a parent elsewhere, who
    /// has to reap them first.
    | EndInit of Space: int * Reaped: int list
    | Forsake of From: int * Bond: Bond
    | Thread of From: int * SetTid: int list * Fate: Fate
    | Race of From: int
    | Unshare of From: int * Capable: bool
    | Enter of From: int * Into: int * Capable: bool
    | WriteLastPid of Space: int * Text: string * Offset: int * Capable: bool
    | Pass of Space: int * Route: Route * Text: string * Offset: int * Capable: bool
    | WritePidMax of Space: int * Value: int
    | Malformed of From: int * Flaw: Flaw
    /// There is nothing there to do it to.
    | Nothing

/// What a part of an action came to.
[<RequireQualifiedAccess>]
type Outcome =
    /// A process was made; its PID at each level of the sandbox, innermost first.
    | Given of Pids: int list
    /// It failed.
    | Refused of Errno
    /// write(2) took so many bytes.
    | Wrote of Bytes: int
    | Done

/// The sysctls of one namespace.
[<Struct>]
type Reading =
    {
        /// The namespace, numbered from 0 in the order they were made.
        Space: int
        /// What ns_last_pid gives.
        LastPid: int
        /// What pid_max gives.
        PidMax: int
    }

/// All that is seen of an action.
type Observation =
    {
        /// One for each process that was asked for; one for any other action; none for no action.
        Outcomes: Outcome list
        /// Every namespace with a living init, in order.
        Readings: Reading list
    }

/// What an operation may need of the kernel, and of what the caller may do.
[<RequireQualifiedAccess>]
type Facility =
    /// clone3.
    | Clone3
    /// clone3 with set_tid.
    | SetTid
    /// A clone that fails for CLONE_INTO_CGROUP.
    | IntoCgroup
    /// A clone that fails for CLONE_PIDFD.
    | Pidfd
    /// Making a pids cgroup, and having a process in it.
    | PidsCgroup
    /// Threads that live, with set_tid, and execute a program.
    | Threads
    /// New PID namespaces.
    | Namespaces
    /// New user namespaces inside.
    | Users
    /// setns to a PID namespace.
    | Setns
    /// Writing ns_last_pid.
    | LastPid
    /// splice and sendfile to it (5.10).
    | Splice
    /// Writing pid_max, which is done only where no other namespace has the same one.
    | PidMax
    /// Being an init.
    | Init

/// What is not there.
type Lack =
    {
        Facility: Facility
        /// How that shows, such as `clone3: Function not implemented`.
        Why: string
    }

/// What operations need.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
module Facility =
    /// All that an operation needs; but for `Users` it is not done without.
    let neededBy (operation: Operation) : Facility list =
        match operation with
        | Operation.Clone(_, nesting, setTid, _, ending) ->
            [
                if nesting <> Nesting.Same then
                    Facility.Namespaces

                if nesting = Nesting.NewUserAndPid then
                    Facility.Users

                if not setTid.IsEmpty then
                    Facility.SetTid

                match ending with
                | Ending.Fails(Late.Cgroup, _) -> Facility.IntoCgroup
                | Ending.Fails(Late.PidsCgroup, _) -> Facility.PidsCgroup
                | Ending.Fails _ -> Facility.Pidfd
                | Ending.Exits
                | Ending.Lives
                | Ending.Lingers -> ()
            ]
        | Operation.Thread _ -> [ Facility.Threads ]
        | Operation.Unshare _
        | Operation.EndInit _ -> [ Facility.Namespaces ]
        | Operation.Enter _
        | Operation.Leave _ -> [ Facility.Setns ]
        | Operation.WriteLastPid _
        | Operation.Pass(_, Route.OpenedBy _, _, _, _) -> [ Facility.LastPid ]
        | Operation.Pass _ -> [ Facility.LastPid; Facility.Splice ]
        | Operation.WritePidMax _ -> [ Facility.PidMax ]
        | Operation.Malformed(_, flaw) ->
            match flaw with
            | Flaw.SizeWithoutArray
            | Flaw.ArrayWithoutSize
            | Flaw.SizeTooLarge
            | Flaw.UnreadableArray
            | Flaw.CutBeforeSize -> [ Facility.SetTid ]
            | Flaw.SiblingOfInit -> [ Facility.Clone3; Facility.Init ]
            | Flaw.ExitSignal
            | Flaw.UnknownFlag
            | Flaw.ThreadAlone -> [ Facility.Clone3 ]
        | Operation.End _
        | Operation.Race _
        | Operation.Forsake _ -> []

/// What a sandbox is like before anything is done in it.
type Setting =
    {
        /// How the kernel behaves.
        Kernel: KernelRules
        /// How many levels of PID namespaces are around the sandbox, 1 or more.
        OuterLevels: int
        /// Whether the PID namespace around it belongs to a user namespace further out, so that nothing in it may choose
        /// PIDs there.
        OwnUser: bool
        /// The pid_max it starts with.
        PidMax: int
        /// What is not there; what needs it is not done.
        Lacks: Lack list
        /// Where the kernel is not what its version says, in words.
        Surprises: string list
    }

    /// Whether something is there.
    member setting.Has(facility: Facility) : bool =
        setting.Lacks |> List.forall (fun lack -> lack.Facility <> facility)

    /// Whether the sandbox is in a namespace that is there already, and has no init.
    member setting.IsHere: bool = not (setting.Has Facility.Init)

/// A fresh sandbox: a PID namespace in which nothing happens but what is asked for. Disposing of it ends all that lives
/// in it.
type ISandbox =
    inherit System.IDisposable

    /// The outermost namespace as it was before the first process of the sandbox, where it is not a new one.
    abstract Before: PidNamespace voption

    /// Whether others make processes in it just now. Takes a moment where that can be.
    abstract IsDisturbed: unit -> bool

    /// What is seen before the first action.
    abstract Start: Observation

    /// Does it and looks.
    abstract Perform: Step -> Observation

    /// Waits until what takes a moment is over.
    abstract Settle: unit -> unit

/// Where sandboxes come from.
type ISandboxes =
    /// What each of them is like.
    abstract Setting: Setting

    /// Makes one.
    abstract Open: unit -> ISandbox
