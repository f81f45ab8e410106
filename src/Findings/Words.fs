namespace SetNsLastPid

open System.Globalization

/// What a user gets to read about a failure.
type Complaint =
    {
        /// What failed, on what.
        Message: string
        /// Why; 0 where the message says it all.
        Errno: Errno
        /// What would help, or null.
        Help: string | null
    }

/// What else the words for a failure need to know.
type Attempted =
    {
        /// What was asked for, innermost namespace first.
        Goals: Goal list
        /// The time limit in seconds.
        Timeout: float
        /// last_pid when it was read last; below 0 where it was not.
        LastPid: int
        /// How many processes were made to get the PID.
        Tries: int
        /// The flavour asked for, or null.
        Flavour: string | null
        /// Who holds the lock on ns_last_pid, in words, or null.
        Locker: string | null
        /// What works without the capability that is missing, in words.
        Instead: string
        /// About how many seconds it takes to cycle there; 0 where that is not known.
        Needed: float
    }

/// The words for how an attempt to choose a PID ended, and the exit status.
[<RequireQualifiedAccess>]
module Words =
    /// Why no number of allocations leads there, for one who did not take any of the numbers himself.
    let obstacle (obstacle: Obstacle) : string =
        match obstacle with
        | Obstacle.BelowReserved -> "after a wrap PIDs start at 300"
        | Obstacle.NoneFree -> "no PID is free"
        | Obstacle.Held -> "none of these is free"
        | Obstacle.OutOfRange
        | Obstacle.Ours _ -> "out of range"

    /// Its stable name.
    let obstacleName (obstacle: Obstacle) : string =
        match obstacle with
        | Obstacle.BelowReserved -> "below_reserved"
        | Obstacle.NoneFree -> "none_free"
        | Obstacle.Held -> "held"
        | Obstacle.OutOfRange
        | Obstacle.Ours _ -> "out_of_range"

    /// What helps where a file of /proc cannot be read; null where that is not known.
    let needsProc (errno: Errno) : string | null =
        if errno = Errno.ENOENT then
            "needs /proc mounted, with /proc/sys visible and nothing mounted over it"
        else
            null

    /// A range as it is typed.
    let numbers (first: int) (last: int) : string =
        if first = last then
            string first
        else
            $"{string first}-{string last}"

    /// What is asked for, as the user writes it.
    let goals (goals: Goal list) : string =
        let text (goal: Goal) =
            if goal.OrNext then
                string (goal.First - 1)
            elif goal.First < goal.Last && goal.Last = Limits.PidMax - 1 then
                string goal.First + "-"
            else
                numbers goal.First goal.Last

        goals |> List.map text |> String.concat ","

    // Why a goal that leaves a choice cannot be had.
    let private noneOf (goal: Goal) =
        let room =
            match goal.Room with
            | 0 -> ""
            | 1 -> " with a free one after it"
            | room -> $" with {string room} free ones after it"

        $"no PID of {goals [ goal ]} is free{room}"

    /// What nslp says where it itself holds the number that is to be free.
    let private itsOwn = "run it again: nslp will get a different PID"

    let private plain message =
        {
            Message = message
            Errno = enum<Errno> 0
            Help = null
        }

    let private failed message errno help =
        {
            Message = message
            Errno = errno
            Help = help
        }

    let private seconds (timeout: float) =
        timeout.ToString CultureInfo.InvariantCulture

    let private needsCapability =
        "needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN over the PID namespace; without them "

    // Before anything was tried.
    let private untried (instead: string) : Attempted =
        {
            Goals = []
            Timeout = 0.0
            LastPid = -1
            Tries = 0
            Flavour = null
            Locker = null
            Instead = instead
            Needed = 0.0
        }

    // A system call that failed; `goal` is what it was for.
    let private call (goal: string) (attempted: Attempted) (stage: Stage) (errno: Errno) : Complaint =
        match stage, errno with
        | Stage.ReadPidMax, _ -> failed "cannot read /proc/sys/kernel/pid_max" errno (needsProc errno)
        | Stage.ReadLastPid, _ -> failed "cannot read last_pid from /proc" errno (needsProc errno)
        | (Stage.WriteLastPid | Stage.LockLastPid), Errno.ETIMEDOUT ->
            match attempted.Locker with
            | null -> plain $"cannot {goal}: others hold the lock on ns_last_pid or fork all the time"
            | locker -> plain $"cannot {goal}: {locker}"
        | Stage.LockLastPid, _ -> failed "cannot lock ns_last_pid" errno null
        | Stage.WriteLastPid, Errno.EPERM ->
            failed "cannot write ns_last_pid" errno (needsCapability + attempted.Instead)
        | Stage.WriteLastPid, _ -> failed "cannot write ns_last_pid" errno null
        | Stage.OpenLastPid, (Errno.EROFS | Errno.EACCES) ->
            failed
                "cannot open ns_last_pid for writing"
                errno
                $"needs a writable /proc/sys/kernel/ns_last_pid; without it {attempted.Instead}"
        | Stage.OpenLastPid, Errno.ENOENT ->
            failed
                "cannot open ns_last_pid"
                errno
                $"needs CONFIG_CHECKPOINT_RESTORE, and /proc/sys with nothing else mounted over it; without them {attempted.Instead}"
        | Stage.OpenLastPid, _ -> failed "cannot open ns_last_pid for writing" errno null
        | Stage.ConsumePids, _ ->
            match attempted.Flavour with
            | null -> failed "cannot consume PIDs here" errno null
            | flavour -> failed $"cannot consume PIDs by '{flavour}'" errno null
        | Stage.ChoosePid, Errno.EPERM ->
            failed $"cannot make a process with PID {goals attempted.Goals}" errno (needsCapability + attempted.Instead)
        | Stage.ChoosePid, (Errno.ENOSYS | Errno.E2BIG) ->
            failed "cannot choose PIDs by clone3" errno "needs Linux 5.5, and clone3 not filtered by seccomp"
        | Stage.ChoosePid, Errno.EINVAL -> failed $"cannot make a process with PID {goals attempted.Goals}" errno null
        | (Stage.ChoosePid | Stage.MakeProcess), _ -> failed "cannot make a process" errno null

    /// For a command that has not begun to choose a PID.
    let look (stage: Stage) (errno: Errno) : Complaint =
        call "" (untried "--method cycle works") stage errno

    /// What helps where a PID is not below pid_max.
    /// <param name="perNamespace">Whether each PID namespace has a pid_max (Linux 6.14).</param>
    let raisePidMax (pid: int) (perNamespace: bool) : string =
        if pid >= Limits.PidMax then
            $"no Linux has PIDs above {string (Limits.PidMax - 1)}"
        else
            let own =
                if perNamespace then
                    $"; a PID namespace of its own has one: nslp spawn {string pid} --new-pidns -- COMMAND"
                else
                    ""

            $"needs a higher pid_max: sysctl -w kernel.pid_max={string Limits.PidMax}{own}"

    /// For `nslp set` where the PID is not below pid_max.
    let beyond (goal: Goal) (pidMax: int) (perNamespace: bool) : Complaint =
        let message =
            if goal.OrNext then
                $"cannot make {goals [ goal ]} the last PID: here that is 0 to "
            else
                $"cannot put last_pid before {goals [ goal ]}: here PIDs are 1 to "

        failed
            $"{message}{string (pidMax - 1)}, as pid_max is {string pidMax}"
            (enum 0)
            (raisePidMax goal.First perNamespace)

    // A tenth more, as others take PIDs too.
    let private longer (attempted: Attempted) : string | null =
        if attempted.Needed <= 0.0 || attempted.Needed > 1e6 then
            null
        else
            $"at this rate --timeout {string (int (ceil (attempted.Needed * 1.1)))} would be enough"

    let private at (attempted: Attempted) =
        if attempted.LastPid < 0 then
            ""
        else
            ": last_pid is " + string attempted.LastPid

    /// For `nslp set`, which failed to put last_pid where it was to be.
    let set (attempted: Attempted) (ending: End) : Complaint =
        let pid = goals attempted.Goals

        let goal =
            if List.exists (fun (goal: Goal) -> goal.OrNext) attempted.Goals then
                $"make {pid} the last PID"
            else
                $"put last_pid before {pid}"

        match ending with
        | End.Hopeless(Obstacle.Ours ours) -> failed $"cannot {goal}: nslp itself got PID {string ours}" (enum 0) itsOwn
        | End.Hopeless Obstacle.Held
        | End.Taken ->
            let reasons = attempted.Goals |> List.map noneOf |> String.concat ", "
            plain $"cannot {goal}: {reasons}"
        | End.Hopeless why ->
            plain (
                $"cannot reach {pid} by cycling: {obstacle why}"
                + (at attempted).Replace(':', ';')
            )
        | End.OutOfLaps ->
            plain (
                $"cannot {goal} in {string Landing.rules.Laps}"
                + " laps, others take PIDs too fast"
                + at attempted
            )
        | End.Interrupted -> plain $"interrupted{at attempted}"
        | End.Failed(stage, errno) -> call goal attempted stage errno
        | End.TimedOut
        | End.Done
        | End.NotExecuted _ ->
            failed
                ($"cannot {goal} within {seconds attempted.Timeout}" + " s" + at attempted)
                (enum 0)
                (longer attempted)

    /// For `nslp spawn`; `command` is the one that was to run, safe to print.
    let spawn (attempted: Attempted) (command: string) (ending: End) : Complaint =
        let pids = goals attempted.Goals

        match ending with
        | End.Hopeless why -> plain $"cannot reach PID {pids} by cycling: {obstacle why}"
        | End.NotExecuted errno -> failed $"cannot execute '{command}'" errno null
        | End.Failed(stage, errno) -> call "change last_pid" attempted stage errno
        | End.Taken ->
            match attempted.Goals with
            | [ goal ] when not goal.IsLoose -> plain $"PID {pids} is taken; /proc does not show by whom"
            | [ goal ] -> plain (noneOf goal)
            | _ -> plain $"one of the PIDs {pids} is taken"
        | _ when attempted.Tries = 0 ->
            failed
                ($"cannot reach PID {pids} by cycling within {seconds attempted.Timeout}"
                 + " s"
                 + at attempted)
                (enum 0)
                (longer attempted)
        | _ ->
            let times =
                if attempted.Tries = 1 then
                    ""
                else
                    $", all {string attempted.Tries} times"

            plain (
                $"cannot give PID {pids} within {seconds attempted.Timeout}"
                + " s: others took it first"
                + times
            )

    /// For `nslp spawn` where nslp itself holds the PID.
    let ownPid (pid: int) : string =
        $"nslp itself got PID {string pid}; {itsOwn}"

    /// For `nslp spawn` where a number is in use and nobody has it.
    let nobodys (pid: int) : string =
        $"PID {string pid} is in use, but no process, thread, group or session has it: a thread may keep its number a moment after its end"

    /// For `nslp reserve`, which cannot keep such a range; only a remark where the message is empty, and nothing at all where the
    /// help is null too.
    let reserveRange (first: int) (last: int) (pidMax: int) (range: ReserveRange) : Complaint =
        let refused (why: string) =
            plain $"cannot keep {numbers first last} free: {why}"

        match range with
        | ReserveRange.OutOfRange -> refused $"PIDs here are 1 to {string (pidMax - 1)}"
        | ReserveRange.All -> refused "the kernel would have no other PIDs to give"
        | ReserveRange.Reserved -> failed "" (enum 0) "PIDs below 300 are handed out only before the first wrap"
        | ReserveRange.Ordinary -> plain ""

    /// For `nslp reserve` without the means to write ns_last_pid.
    let reserveLook (ending: End) : Complaint =
        match ending with
        | End.Failed(stage, errno) -> call "keep a range free" (untried "nothing keeps a range free") stage errno
        | _ -> plain ""

    /// What `nslp reserve` tells of a look; null for nothing.
    let reserveNews (first: int) (last: int) (news: ReserveNews) : string | null =
        let late (microseconds: int64) =
            $"nslp ran {string ((microseconds + 999L) / 1000L)} ms too late: "

        let given = $"PIDs of {numbers first last} may have been given to new processes"

        match news with
        | ReserveNews.Nothing -> null
        | ReserveNews.Late microseconds -> late microseconds + given
        | ReserveNews.Crossed(from, until, microseconds) ->
            let why =
                if microseconds > 0L then
                    late microseconds
                else
                    "somebody wrote last_pid, or PIDs are taken faster than nslp expects: "

            $"{why}last_pid went from {string from}" + $" to {string until}, and {given}"

    /// What `nslp reserve` tells where the numbers outside the range are soon used up.
    let reserveTight (first: int) (last: int) (room: int) : string =
        if room = 0 then
            $"warning: no number outside {numbers first last} is known to be free: new processes may get one of these"
        else
            let some =
                if room = 1 then
                    "is only 1 free number"
                else
                    $"are only {string room} free numbers"

            $"warning: outside {numbers first last} {some}"
            + ", which others may use up before nslp runs again"

    /// For the log of `nslp serve`, behind who asked for what; empty where the errno says it all.
    let serve (ending: End) : Complaint =
        match ending with
        | End.Hopeless why -> plain (obstacle why)
        | End.TimedOut -> plain "timed out"
        | End.OutOfLaps -> plain "others take PIDs too fast"
        | End.Interrupted -> failed "" Errno.ECANCELED null
        | End.Failed(_, errno) -> failed "" errno null
        | End.Done
        | End.Taken
        | End.NotExecuted _ -> plain ""

    /// The exit status of `nslp spawn` when COMMAND did not run, as that of env(1) and timeout(1): 127 when it was not
    /// found, 126 when it could not be executed, else 125.
    let spawnStatus (ending: End) : int =
        match ending with
        | End.NotExecuted Errno.ENOENT -> 127
        | End.NotExecuted _ -> 126
        | _ -> 125

    /// The exit status of a command that could not do its work. Where a command answers a question, it differs from that of
    /// the answer no.
    let failureStatus (command: string) : int =
        match command with
        | "spawn"
        | "reserve" -> 125
        | "who"
        | "preflight"
        | "doctor"
        | "verify" -> 3
        | _ -> 1

    /// The exit status after a wrong command line. For a command that runs another it is that of a failure, as COMMAND itself
    /// may end with 2.
    let misuseStatus (command: string) : int =
        match command with
        | "spawn"
        | "reserve" -> failureStatus command
        | _ -> 2

    /// What to do about a hindrance; empty where nothing is known.
    let cure (report: PreflightReport) (hindrance: Hindrance) : string =
        let elsewhere =
            if report.Outside = 0 then
                ""
            else
                $"nslp spawn {string<int> report.Outside} --new-pidns -- criu restore ..."

        let orElsewhere first =
            if elsewhere = "" then
                first
            else
                $"{first}, or restore in a new PID namespace: {elsewhere}"

        match hindrance with
        | Hindrance.Held HolderKind.Process -> orElsewhere "end the process"
        | Hindrance.Held HolderKind.Thread -> orElsewhere "end the process that the thread is of"
        | Hindrance.Held HolderKind.Zombie -> orElsewhere "end the parent, which has to wait for it"
        | Hindrance.Held HolderKind.Group -> orElsewhere "end all processes of the group"
        | Hindrance.Held HolderKind.Session -> orElsewhere "end all processes of the session"
        | Hindrance.Held _ when elsewhere = "" -> ""
        | Hindrance.Held _ -> "restore in a new PID namespace: " + elsewhere
        | Hindrance.OwnSession
        | Hindrance.OwnGroup -> orElsewhere "start criu from another session, and end this one"
        | Hindrance.PidMax -> $"as root: echo {string<int> report.Above} >/proc/sys/kernel/pid_max"
        | Hindrance.Criu when report.MakeWay < 0 -> "no run of free numbers is long enough for criu; end some processes"
        | Hindrance.Criu -> "nslp preflight --make-way, or nslp set " + string<int> report.MakeWay
        | Hindrance.InitOfCaller -> "dump it from outside its PID namespace: then criu makes a new one for it"
        | Hindrance.InitOfGiven -> "dump it without --external for its PID namespace: then criu makes a new one for it"
        | Hindrance.NewWithoutInit -> "dump the init of its PID namespace too, or with --external for that namespace"
