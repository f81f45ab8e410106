namespace SetNsLastPid

/// Two tasks that ask for PIDs at the same time.
[<RequireQualifiedAccess>]
module PidRace =
    // What one of them has so far, the outermost number first.
    type private Asker =
        {
            Got: int list
            /// Whether a level has no number left, so that what it got is given back next.
            IsFull: bool
            Result: Allocation voption
        }

    let private fresh =
        {
            Got = []
            IsFull = false
            Result = ValueNone
        }

    // alloc_pid, kernel/pid.c, holds the lock of all PIDs for one level at a time, and for all levels when it gives back.
    let private advance (stack: PidStack) (asker: Asker) : struct (PidStack * Asker) =
        let level = asker.Got.Length

        if asker.IsFull then
            struct (PidStack.release (List.rev asker.Got) stack,
                    { asker with
                        Result = ValueSome(Allocation.Refused Errno.EAGAIN)
                    })
        else
            match PidNamespace.tryNext stack[level] with
            | ValueNone -> struct (stack, { asker with IsFull = true })
            | ValueSome pid ->
                let ns =
                    { stack[level] with
                        Cursor = pid + 1
                        InUse = PidSet.add pid stack[level].InUse
                    }

                let got = pid :: asker.Got

                struct (List.updateAt level ns stack,
                        { asker with
                            Got = got
                            Result =
                                if got.Length = stack.Length then
                                    ValueSome(Allocation.Given(List.rev got))
                                else
                                    ValueNone
                        })

    /// All that can come of two requests without set_tid in a stack whose innermost namespace is alive: what the one gets,
    /// what the other gets, and the stack after it. Each picks a number level by level, the innermost first, and the other
    /// may come between: so one may get the lower number inside and the higher one outside. What one after the other gives
    /// comes first.
    let both (stack: PidStack) : struct (Allocation * Allocation * PidStack) list =
        let rec go stack one other =
            match one.Result, other.Result with
            | ValueSome first, ValueSome second -> [ struct (first, second, stack) ]
            | _ ->
                [
                    if one.Result.IsNone then
                        let struct (moved, one) = advance stack one
                        yield! go moved one other

                    if other.Result.IsNone then
                        let struct (moved, other) = advance stack other
                        yield! go moved one other
                ]

        go stack fresh fresh
        |> List.distinctBy (fun (struct (one, other, after)) -> one, other, List.map _.Cursor after)
