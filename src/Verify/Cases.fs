namespace SetNsLastPid.Verification

open SetNsLastPid

/// A short sequence that is always run, since somebody relies on what comes of it.
type FixedCase =
    {
        Name: string
        Operations: Operation list
        /// What the last operation comes to where no level above the sandbox says otherwise, on Linux 6.18.
        Last: Outcome list
    }

/// The cases that are run before random ones: what the kernel's own tests of set_tid and of pid_max are about, and what was
/// observed on Linux 6.1 to 6.18.
[<RequireQualifiedAccess>]
module FixedCases =
    let private case name operations last =
        {
            Name = name
            Operations = operations
            Last = last
        }

    let private pids numbers = [ Outcome.Given numbers ]
    let private refused errno = [ Outcome.Refused errno ]
    let private exactly numbers = List.map Number.Exactly numbers

    let private clone nesting setTid ending =
        Operation.Clone(0, nesting, setTid, true, ending)

    let private fork = clone Nesting.Same [] Ending.Exits
    let private stay = clone Nesting.Same [] Ending.Lives

    let private chosen numbers =
        clone Nesting.Same (exactly numbers) Ending.Exits

    let private incapable numbers =
        Operation.Clone(0, Nesting.Same, exactly numbers, false, Ending.Exits)

    let private nested numbers =
        clone Nesting.NewPid (exactly numbers) Ending.Exits

    let private late how asThread numbers =
        clone Nesting.Same (exactly numbers) (Ending.Fails(how, asThread))
    // Namespace 1, whose init is process 1 in it and 2 in namespace 0.
    let private inner = clone Nesting.NewPid [] Ending.Lives

    let private innerFork ending =
        Operation.Clone(1, Nesting.Same, [], true, ending)

    let private write text =
        Operation.WriteLastPid(0, Text.Raw text, 0, true)

    let private pass route text offset capable =
        Operation.Pass(0, route, Text.Raw text, offset, capable)

    let private last (number: int) = write (string number)

    let private lastIn space number =
        Operation.WriteLastPid(space, Text.Spelled(number, Spelling.Decimal), 0, true)

    let private max number =
        Operation.WritePidMax(0, Number.Exactly number)

    let private malformed flaw = Operation.Malformed(0, flaw)
    let private unshare = Operation.Unshare(0, true)

    let private setTid =
        [
            "set_tid: a size and no array", [ malformed Flaw.SizeWithoutArray ], refused Errno.EINVAL
            "set_tid: a size of 33 and no array", [ malformed Flaw.SizeTooLarge ], refused Errno.EINVAL
            "set_tid: an array and no size", [ malformed Flaw.ArrayWithoutSize ], refused Errno.EINVAL
            "set_tid: an array that cannot be read", [ malformed Flaw.UnreadableArray ], refused Errno.EFAULT
            "set_tid: a structure that ends before the size", [ malformed Flaw.CutBeforeSize ], refused Errno.EINVAL
            "set_tid: 33 entries", [ chosen (List.replicate 33 1) ], refused Errno.EINVAL
            "set_tid: more entries than levels", [ chosen (List.replicate 32 1) ], refused Errno.EINVAL
            "set_tid: 0", [ chosen [ 0 ] ], refused Errno.EINVAL
            "set_tid: -1", [ chosen [ -1 ] ], refused Errno.EINVAL
            "set_tid: pid_max", [ clone Nesting.Same [ Number.FromPidMax 0 ] Ending.Exits ], refused Errno.EINVAL
            "set_tid: pid_max - 1", [ clone Nesting.Same [ Number.FromPidMax -1 ] Ending.Exits ], pids [ 4194303 ]
            "set_tid: 1, which the init has", [ chosen [ 1 ] ], refused Errno.EEXIST
            "set_tid: a free number", [ chosen [ 50 ] ], pids [ 50 ]
            "set_tid: a number below 300", [ last 1000; chosen [ 299 ] ], pids [ 299 ]
            "set_tid: a number in use", [ stay; chosen [ 2 ] ], refused Errno.EEXIST
            "set_tid: a number that was reaped", [ fork; chosen [ 2 ] ], pids [ 2 ]
            "set_tid: a zombie's number", [ clone Nesting.Same [] Ending.Lingers; chosen [ 2 ] ], refused Errno.EEXIST
            "set_tid: without the capability", [ incapable [ 50 ] ], refused Errno.EPERM
            "set_tid: 0 without the capability", [ incapable [ 0 ] ], refused Errno.EINVAL
            "set_tid: 1 without the capability", [ incapable [ 1 ] ], refused Errno.EPERM
            "set_tid: the cursor stays", [ last 100; chosen [ 50 ]; fork ], pids [ 101 ]
            "set_tid: a refusal leaves the cursor", [ last 100; chosen [ 1 ]; fork ], pids [ 101 ]
            "set_tid: what was chosen ahead is skipped",
            [ last 100; clone Nesting.Same (exactly [ 101 ]) Ending.Lives; fork ],
            pids [ 102 ]
            "set_tid: a new namespace begins with 1", [ last 20; nested [ 1 ] ], pids [ 1; 21 ]
            "set_tid: a new namespace does not begin with 2", [ nested [ 2 ] ], refused Errno.EINVAL
            "set_tid: a new namespace does not begin with 0", [ nested [ 0 ] ], refused Errno.EINVAL
            "set_tid: a new namespace, and a number outside", [ nested [ 1; 43 ] ], pids [ 1; 43 ]
            "set_tid: a new namespace, and one in use outside", [ nested [ 1; 1 ] ], refused Errno.EEXIST
            "set_tid: a new namespace, and 0 outside", [ nested [ 1; 0 ] ], refused Errno.EINVAL
            "set_tid: a new namespace, and -1 outside", [ nested [ 1; -1 ] ], refused Errno.EINVAL
            "set_tid: a number at each of three levels",
            [
                inner
                Operation.Clone(1, Nesting.NewPid, exactly [ 1; 42; 43 ], true, Ending.Exits)
            ],
            pids [ 1; 42; 43 ]
            "set_tid: two levels from outside",
            [ inner; Operation.Enter(0, 1, true); chosen [ 30; 40 ] ],
            pids [ 30; 40 ]
            "set_tid: one level from outside",
            [ inner; last 20; Operation.Enter(0, 1, true); chosen [ 30 ] ],
            pids [ 30; 21 ]
            "set_tid: an inner number is given back",
            [ inner; Operation.Enter(0, 1, true); chosen [ 6; 2 ]; chosen [ 6; 40 ] ],
            pids [ 6; 40 ]
            "set_tid: not 1 after unshare", [ unshare; chosen [ 2 ] ], refused Errno.EINVAL
            "set_tid: a refusal after unshare leaves the namespace as new",
            [ last 6; stay; unshare; chosen [ 1; 7 ]; fork ],
            pids [ 1; 8 ]
        ]

    let private pidMax =
        [
            "pid_max: 300", [ max 300 ], refused Errno.EINVAL
            "pid_max: 301", [ max 301 ], [ Outcome.Done ]
            "pid_max: 4194305", [ max 4194305 ], refused Errno.EINVAL
            "pid_max: a new namespace has the largest", [ max 1000; inner ], pids [ 1; 2 ]
            "pid_max: no PID reaches it", [ max 301; last 299; stay; fork ], refused Errno.EAGAIN
            "pid_max: a nested namespace keeps to its own",
            [
                inner
                Operation.WritePidMax(1, Number.Exactly 301)
                lastIn 1 (Number.Exactly 299)
                innerFork Ending.Lives
                innerFork Ending.Exits
            ],
            refused Errno.EAGAIN
            "pid_max: the outer one limits a nested namespace by running out",
            [
                max 302
                inner
                last 299
                innerFork Ending.Lives
                innerFork Ending.Lives
                innerFork Ending.Exits
            ],
            refused Errno.EAGAIN
            "pid_max: the inner cursor moves when the outer runs out",
            [
                max 301
                inner
                last 299
                innerFork Ending.Lives
                innerFork Ending.Exits
                max 400
                innerFork Ending.Exits
            ],
            pids [ 4; 301 ]
            "pid_max: lowered below the cursor", [ last 1000; max 500; fork ], pids [ 300 ]
            "pid_max: lowered and raised again", [ last 1000; max 500; max 2000; fork ], pids [ 1001 ]
            "pid_max: last_pid above it is refused", [ last 1000; max 500; last 1000 ], refused Errno.EINVAL
            "pid_max: a number above it lives on and is out of range",
            [ last 4999; stay; max 500; chosen [ 5000 ] ],
            refused Errno.EINVAL
        ]

    let private cursor =
        [
            "cursor: the second process", [ fork ], pids [ 2 ]
            "cursor: last_pid 0", [ last 0; fork ], pids [ 2 ]
            "cursor: past 300", [ last 298; fork; fork ], pids [ 300 ]
            "cursor: wraps to 300", [ lastIn 0 (Number.FromPidMax -1); fork ], pids [ 300 ]
            "cursor: pid_max as last_pid", [ lastIn 0 (Number.FromPidMax 0); fork ], pids [ 300 ]
            "cursor: pid_max + 1 as last_pid", [ lastIn 0 (Number.FromPidMax 1) ], refused Errno.EINVAL
            "cursor: skips what is in use", [ last 9; stay; stay; last 9; fork ], pids [ 12 ]
            "cursor: full above 300", [ max 301; last 299; stay; last 300; fork ], refused Errno.EAGAIN
            "cursor: at 300 it turns to the lowest", [ max 301; last 299; stay; last 299; fork ], pids [ 2 ]
            "cursor: skips a zombie", [ last 49; clone Nesting.Same [] Ending.Lingers; last 49; fork ], pids [ 51 ]
            for bond, what in
                [
                    Bond.Group, "group"
                    Bond.Session, "session"
                    Bond.SessionAlone, "session whose members have other groups"
                ] do
                $"cursor: skips the number of a {what}",
                [ last 49; Operation.Forsake(0, bond); last 49; fork ],
                pids [ 52 ]

                $"set_tid: the number of a {what}",
                [ last 49; Operation.Forsake(0, bond); chosen [ 50 ] ],
                refused Errno.EEXIST
            "cursor: moves when CLONE_INTO_CGROUP fails", [ last 100; late Late.Cgroup false []; fork ], pids [ 102 ]
            "cursor: moves when CLONE_PIDFD finds no descriptor",
            [ last 100; late Late.DescriptorLimit false []; fork ],
            pids [ 102 ]
            "cursor: moves when CLONE_PIDFD finds no memory",
            [ last 100; late Late.PidfdPointer false []; fork ],
            pids [ 102 ]
            "cursor: moves when a thread fails for CLONE_PIDFD",
            [ last 100; late Late.PidfdPointer true []; fork ],
            pids [ 102 ]
            "cursor: moves when a thread fails for CLONE_INTO_CGROUP",
            [ last 100; late Late.Cgroup true []; fork ],
            pids [ 102 ]
            "cursor: the pids cgroup is full", [ late Late.PidsCgroup false [] ], refused Errno.EAGAIN
            "cursor: moves when the pids cgroup is full",
            [ last 100; late Late.PidsCgroup false []; fork ],
            pids [ 102 ]
            "cursor: moves when a thread meets a full pids cgroup",
            [ last 100; late Late.PidsCgroup true []; fork ],
            pids [ 102 ]
            "cursor: stays when a choice meets a full pids cgroup",
            [ last 100; late Late.PidsCgroup false [ 50 ]; fork ],
            pids [ 101 ]
            "cursor: stays when a choice fails late", [ last 100; late Late.Cgroup false [ 50 ]; fork ], pids [ 101 ]
            "set_tid: free again after a late failure", [ late Late.Cgroup false [ 50 ]; chosen [ 50 ] ], pids [ 50 ]
            for flaw, what in
                [
                    Flaw.ExitSignal, "a bad exit signal"
                    Flaw.UnknownFlag, "CLONE_DETACHED"
                    Flaw.ThreadAlone, "CLONE_THREAD alone"
                    Flaw.SiblingOfInit, "CLONE_PARENT of an init"
                ] do
                $"cursor: stays at {what}", [ last 100; malformed flaw; fork ], pids [ 101 ]
        ]

    let private texts =
        [
            "last_pid: nothing written", [ write "" ], [ Outcome.Wrote 0 ]
            "last_pid: hexadecimal", [ write "0x7b" ], [ Outcome.Wrote 4 ]
            "last_pid: octal", [ write "0173" ], [ Outcome.Wrote 4 ]
            "last_pid: the second number is left over", [ write "123 456\n" ], [ Outcome.Wrote 4 ]
            "last_pid: letters after the number", [ write "123abc" ], refused Errno.EINVAL
            "last_pid: a carriage return after the number", [ write "123\r\n" ], refused Errno.EINVAL
            "last_pid: blanks only", [ write " \n" ], refused Errno.EINVAL
            "last_pid: -0", [ write "-0" ], [ Outcome.Wrote 2 ]
            "last_pid: -1", [ write "-1" ], refused Errno.EINVAL
            "last_pid: 20 characters", [ write "00000000000000000123" ], [ Outcome.Wrote 20 ]
            "last_pid: 21 characters", [ write "000000000000000000123" ], refused Errno.EINVAL
            "last_pid: not at offset 0", [ Operation.WriteLastPid(0, Text.Raw "7", 1, true) ], [ Outcome.Wrote 1 ]
            "last_pid: cut at the end of the page",
            [
                Operation.WriteLastPid(0, Text.Spelled(Number.Exactly 78, Spelling.Cut), 0, true)
                fork
            ],
            pids [ 8 ]
            for route, what in
                [
                    Route.OpenedBy 1, "a descriptor of a nested namespace"
                    Route.Splice, "splice"
                    Route.SendFile, "sendfile"
                ] do
                $"last_pid: by {what}", [ inner; pass route "123" 0 true; fork ], pids [ 124 ]

                $"last_pid: by {what}, not at offset 0", [ inner; pass route "7" 1 true ], [ Outcome.Wrote 1 ]

                $"last_pid: by {what}, without the capability", [ inner; pass route "7" 0 false ], refused Errno.EPERM

                $"last_pid: by {what}, no number", [ inner; pass route "x" 0 true ], refused Errno.EINVAL
            "last_pid: by a descriptor of the namespace around it",
            [
                inner
                Operation.Pass(1, Route.OpenedBy 0, Text.Raw "70", 0, true)
                innerFork Ending.Exits
            ],
            pids [ 71; 3 ]
            "last_pid: by splice, the second number is swallowed",
            [ pass Route.Splice "123 456\n" 0 true ],
            [ Outcome.Wrote 8 ]
            "last_pid: by sendfile, the second number is swallowed",
            [ pass Route.SendFile "123 456\n" 0 true ],
            [ Outcome.Wrote 8 ]
            "last_pid: by splice, nothing and without the capability",
            [ pass Route.Splice "" 0 false ],
            [ Outcome.Wrote 0 ]
            "last_pid: without the capability",
            [ Operation.WriteLastPid(0, Text.Raw "x", 0, false) ],
            refused Errno.EPERM
        ]

    let private life =
        [
            "namespace: its init dies, and no process is made in it",
            [
                last 100
                inner
                Operation.Enter(0, 1, true)
                Operation.EndInit 0
                fork
                fork
            ],
            refused Errno.ENOMEM
            "namespace: the outer cursor moves for a dead one",
            [
                last 100
                inner
                Operation.Enter(0, 1, true)
                Operation.EndInit 0
                fork
                Operation.Leave 0
                fork
            ],
            pids [ 103 ]
            "namespace: its first clone fails late",
            [ unshare; late Late.PidfdPointer false []; fork ],
            refused Errno.ENOMEM
            "namespace: unshare twice", [ unshare; unshare ], refused Errno.EINVAL
            "namespace: unshare without the capability", [ Operation.Unshare(0, false) ], refused Errno.EPERM
            "namespace: setns to the outer one", [ inner; Operation.Enter(1, 0, true) ], refused Errno.EINVAL
            "namespace: no thread in another", [ unshare; late Late.Cgroup true [] ], refused Errno.EINVAL
            "namespace: a new one inside one that was entered",
            [ inner; Operation.Enter(0, 1, true); nested [] ],
            refused Errno.EINVAL
            "namespace: two siblings, each with its own numbers",
            [
                inner
                inner
                innerFork Ending.Lives
                Operation.Clone(2, Nesting.Same, [], true, Ending.Exits)
            ],
            pids [ 2; 5 ]
            "namespace: two siblings, each with its own cursor",
            [
                inner
                inner
                lastIn 1 (Number.Exactly 70)
                Operation.Clone(2, Nesting.Same, [], true, Ending.Exits)
            ],
            pids [ 2; 4 ]
            "namespace: the maker of a sibling by CLONE_PARENT leaves no number behind",
            [ last 49; Operation.Forsake(0, Bond.Sibling); last 49; fork ],
            pids [ 50 ]
            "namespace: a sibling made by CLONE_PARENT keeps its own",
            [ last 49; Operation.Forsake(0, Bond.Sibling); chosen [ 51 ] ],
            refused Errno.EEXIST
            "namespace: no sibling of an init by CLONE_PARENT",
            [ unshare; Operation.Forsake(0, Bond.Sibling) ],
            [ Outcome.Given [ 1; 2 ]; Outcome.Refused Errno.EINVAL ]
            "namespace: of a new user namespace",
            [ clone Nesting.NewUserAndPid (exactly [ 1 ]) Ending.Exits ],
            pids [ 1; 2 ]
        ]

    let private threads =
        let thread numbers fate =
            Operation.Thread(0, exactly numbers, fate)

        let made leader thread =
            [ Outcome.Given leader; Outcome.Given thread ]

        [
            "thread: the next number", [ thread [] Fate.Stays ], made [ 2 ] [ 3 ]
            "thread: set_tid", [ thread [ 50 ] Fate.Stays ], made [ 2 ] [ 50 ]
            "thread: set_tid leaves the cursor", [ thread [ 50 ] Fate.Stays; fork ], pids [ 3 ]
            "thread: set_tid of its leader's number",
            [ thread [ 2 ] Fate.Stays ],
            [ Outcome.Given [ 2 ]; Outcome.Refused Errno.EEXIST ]
            "thread: set_tid of 0", [ thread [ 0 ] Fate.Stays ], [ Outcome.Given [ 2 ]; Outcome.Refused Errno.EINVAL ]
            "thread: a number at each of two levels",
            [ inner; Operation.Enter(0, 1, true); thread [ 30; 40 ] Fate.Stays ],
            made [ 2; 3 ] [ 30; 40 ]
            "thread: its number is skipped", [ last 49; thread [] Fate.Stays; last 50; fork ], pids [ 52 ]
            "thread: its number is refused", [ thread [ 50 ] Fate.Stays; chosen [ 50 ] ], refused Errno.EEXIST
            "thread: its number is free when its process was reaped",
            [ thread [ 50 ] Fate.Stays; Operation.End 0; chosen [ 50 ] ],
            pids [ 50 ]
            "thread: exec frees its number", [ thread [ 50 ] Fate.Execs; chosen [ 50 ] ], pids [ 50 ]
            "thread: exec keeps its leader's number", [ thread [ 50 ] Fate.Execs; chosen [ 2 ] ], refused Errno.EEXIST
            "thread: exec leaves nothing else behind",
            [ thread [ 50 ] Fate.Execs; Operation.End 0; last 1; fork ],
            pids [ 2 ]
        ]

    let private races =
        let race = Operation.Race 0

        let given first second third =
            [ Outcome.Given first; Outcome.Given second; Outcome.Given third ]

        [
            "race: two forks at once", [ race ], given [ 2 ] [ 3 ] [ 4 ]
            "race: the cursor moves by both", [ last 99; race; fork ], pids [ 103 ]
            "race: at two levels", [ inner; Operation.Enter(0, 1, true); race ], given [ 2; 3 ] [ 3; 4 ] [ 4; 5 ]
            "race: for the last number",
            [ max 302; last 299; race ],
            [ Outcome.Given [ 300 ]; Outcome.Given [ 301 ]; Outcome.Refused Errno.EAGAIN ]
            "race: for the last number at the outer level",
            [ max 302; inner; last 299; Operation.Race 1 ],
            [
                Outcome.Given [ 2; 300 ]
                Outcome.Given [ 3; 301 ]
                Outcome.Refused Errno.EAGAIN
            ]
        ]

    /// Every case, each in a sandbox of its own.
    let all: FixedCase list =
        setTid @ pidMax @ cursor @ texts @ life @ threads @ races
        |> List.map (fun (name, operations, last) -> case name operations last)
