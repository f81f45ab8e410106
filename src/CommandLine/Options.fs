namespace SetNsLastPid

open System

/// Whether to use colours.
[<RequireQualifiedAccess>]
type ColorWhen =
    | Auto = 0
    | Always = 1
    | Never = 2

/// What `nslp set` was asked for.
type SetOptions =
    {
        /// Where the next PID shall lie.
        Goal: Goal
        /// How.
        Method: Method
        /// Seconds after which to give up, above 0; infinite when not given.
        Timeout: float
        /// The process in whose PID namespace to act, 0 for the caller's own.
        Target: int
        /// The name of the only way of consuming a PID to try, or null for the first that works.
        Flavour: string | null
        /// The socket of the server that is to do it, or null for this process itself.
        Server: string | null
        /// Say on stderr what was done.
        Verbose: bool
        /// Say on stdout what was done, as one JSON object.
        Json: bool
    }

    /// The number to become the last PID, 0 or more, where it is no range that was given.
    member options.LastPid: int = options.Goal.First - 1

/// What `nslp verify` was asked for.
type VerifyOptions =
    {
        /// How many runs; 1 or more.
        Runs: int
        /// How many operations a run has; 1 or more.
        Steps: int
        /// What the runs are drawn from; any when not given.
        Seed: Nullable<uint64>
        /// A file of operations to run instead, or null.
        Replay: string | null
        /// A file to write what the kernel did to, or null.
        Record: string | null
        /// Whether to run in nslp's own PID namespace.
        Here: bool
        /// Say on stdout what came of it, as test points (TAP).
        Tap: bool
        /// A file to write the test points to, as JUnit's XML, or null.
        Junit: string | null
        /// Say on stdout what came of it, as one JSON object.
        Json: bool
    }

/// What `nslp serve` was asked for.
type ServeOptions =
    {
        /// The path of the socket, or null for the one that systemd passes on.
        Socket: string | null
        /// How requests are carried out.
        Method: Method
        /// The permissions of the socket, 0 to 0o777; -1 when not given.
        Mode: int
        /// The group of the socket, by name or number, or null when not given.
        Group: string | null
        /// The users to serve, by name or number; empty for all that may write to the socket.
        AllowUsers: string[]
        /// Seconds after which to give up on one request, above 0; infinite when not given.
        Timeout: float
        /// Say on stderr of each request what was done.
        Verbose: bool
    }

/// What `nslp spawn` was asked for.
type SpawnOptions =
    {
        /// The PIDs, innermost namespace first; 1 to 32, whatever the pid_max.
        Goals: Goal list
        /// How.
        Method: Method
        /// Seconds after which to give up, above 0.
        Timeout: float
        /// The process in whose PID namespace to start the command, 0 for the caller's own.
        Target: int
        /// Start it in the innermost of so many new PID namespaces; 0 for none.
        NewPidns: int
        /// pid_max of that namespace; 0 to leave it as it is.
        PidMax: int
        /// Leave it the old /proc.
        NoProc: bool
        /// With a new user namespace around that, make the user root in it.
        MapRoot: bool
        /// Have it lead a session of its own.
        Setsid: bool
        /// A new file or the number of a descriptor to report to, or null.
        Json: string | null
        /// Print the PID and return when the command runs, which then has no pipe as its standard output or error.
        Detach: bool
        /// Say on stderr what was done.
        Verbose: bool
        /// The command and its arguments, 1 or more. Bytes that are not UTF-8 are lost here.
        Command: string list
    }

/// What `nslp who` was asked for.
type WhoOptions =
    {
        /// First and last numbers, 0 or more, both included; at least one pair, none with the last before the first.
        Ranges: struct (int * int) list
        /// The process in whose PID namespace to look, 0 for the caller's own.
        Target: int
        /// Leave out the numbers that nobody holds.
        Held: bool
        /// One JSON object instead of lines.
        Json: bool
    }

/// What `nslp reserve` was asked for.
type ReserveOptions =
    {
        /// The first number of the range; 0 or more.
        First: int
        /// The last one, not below the first.
        Last: int
        /// The process in whose PID namespace to keep it, 0 for the caller's own.
        Target: int
        /// Say on stderr what was done.
        Verbose: bool
        /// The command to run meanwhile and its arguments; empty for none. Bytes that are not UTF-8 are lost here.
        Command: string list
    }

/// What `nslp preflight` was asked for.
type PreflightOptions =
    {
        /// The path of a directory or an archive.
        Images: string
        /// The process in whose PID namespace to look, 0 for the caller's own.
        Target: int
        /// Move last_pid where it is in the way.
        MakeWay: bool
        /// Whether to use colours.
        Color: ColorWhen
        /// One JSON object instead of lines.
        Json: bool
    }

/// What `nslp map` was asked for.
type MapOptions =
    {
        /// The number to show the place of; -1 when not given.
        Pid: int
        /// The process in whose PID namespace to look, 0 for the caller's own.
        Target: int
        /// Draw it over and over on the terminal.
        Watch: bool
        /// The new file to write an SVG picture to, "-" for stdout, or null for the terminal's picture.
        Svg: string | null
        /// Whether to use colours.
        Color: ColorWhen
        /// One JSON object instead of a picture.
        Json: bool
    }

/// A shell that can complete command lines of nslp.
[<RequireQualifiedAccess>]
type ShellKind =
    | Bash = 0
    | Zsh = 1
    | Fish = 2

/// One call of nslp, understood.
[<RequireQualifiedAccess>]
type Command =
    /// The target is the process in whose PID namespace to look, 0 for the caller's own.
    | Get of Target: int * Json: bool
    | Set of Options: SetOptions
    | Verify of Options: VerifyOptions
    | Serve of Options: ServeOptions
    /// How many seconds it may take, above 0; the start and the end of it come on top.
    | Bench of Seconds: float * Color: ColorWhen * Json: bool
    | Spawn of Options: SpawnOptions
    | Who of Options: WhoOptions
    | Reserve of Options: ReserveOptions
    /// How many PIDs, 1 or more.
    | Predict of Count: int * Target: int * Json: bool
    | Preflight of Options: PreflightOptions
    | Doctor of Color: ColorWhen * Json: bool
    | Map of Options: MapOptions
    | Completion of Shell: ShellKind
    /// A text to print on stdout, asked for with `--help`.
    | Help of Text: string
    /// `nslp --version`.
    | Version
    /// Wrong usage: what is wrong, for the command of that name (empty: for nslp itself).
    | Wrong of Name: string * Message: string
