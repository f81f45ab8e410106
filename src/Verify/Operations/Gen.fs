namespace SetNsLastPid.Verification

open System
open FsCheck
open FsCheck.FSharp
open SetNsLastPid
open SetNsLastPid.Verification.PartGen

/// Random operations.
[<RequireQualifiedAccess>]
module OperationGen =
    let private late =
        Gen.frequency
            [
                15, Gen.constant Late.Cgroup
                10, Gen.constant Late.DescriptorLimit
                5, Gen.constant Late.PidfdPointer
                // A cgroup takes its time.
                1, Gen.constant Late.PidsCgroup
            ]

    let private ending =
        Gen.frequency
            [
                6, Gen.constant Ending.Exits
                5, Gen.constant Ending.Lives
                2, Gen.constant Ending.Lingers
                2, Gen.map2 (fun late asThread -> Ending.Fails(late, asThread)) late (often 50)
            ]

    let private anyOf names = Gen.elements (List.map snd names)

    let private setTid =
        Gen.frequency
            [
                12, Gen.choose (1, 3)
                3, Gen.choose (4, 9)
                1, Gen.elements [ 31; 32; 33; 64 ]
            ]
        |> Gen.bind (fun size -> Gen.listOfLength size number)

    let private nesting = Gen.elements [ Nesting.NewPid; Nesting.NewUserAndPid ]

    // For a new namespace the first entry is of use only as 1.
    let private nestedSetTid =
        Gen.frequency
            [
                4, Gen.constant []
                3, Gen.map (fun rest -> Number.Exactly 1 :: List.truncate 2 rest) setTid
                1, setTid
            ]

    let private smallPidMax =
        Gen.frequency [ 4, Gen.choose (301, 304); 2, Gen.choose (301, 340) ]
        |> Gen.map Number.Exactly

    let private pidMax =
        Gen.frequency
            [
                6, smallPidMax
                2, number
                1,
                Gen.elements [ 300; Limits.PidMax; Limits.PidMax + 1; 1000 ]
                |> Gen.map Number.Exactly
            ]

    let private writeNear =
        gen {
            let! at = index

            let! number =
                Gen.frequency
                    [
                        2, Gen.choose (296, 303) |> Gen.map Number.Exactly
                        2, Gen.choose (-4, 0) |> Gen.map Number.FromPidMax
                        1, Gen.choose (0, 5) |> Gen.map Number.Exactly
                        1, Gen.choose (0, 12) |> Gen.map Number.InUse
                    ]

            return Operation.WriteLastPid(at, Text.Spelled(number, Spelling.Decimal), 0, true)
        }

    let private clone nesting setTid percentCapable =
        gen {
            let! from = index
            let! nesting = nesting
            let! setTid = setTid
            let! capable = often percentCapable
            let! ending = ending
            return Operation.Clone(from, nesting, setTid, capable, ending)
        }

    let private threadSetTid = Gen.frequency [ 2, Gen.constant []; 3, setTid ]
    let private fate = Gen.elements [ Fate.Stays; Fate.Stays; Fate.Execs ]

    /// One operation, whatever came before.
    let operation: Gen<Operation> =
        Gen.frequency
            [
                28, clone (Gen.constant Nesting.Same) (Gen.constant []) 90
                14, clone (Gen.constant Nesting.Same) setTid 80
                6, clone nesting nestedSetTid 70
                10, Gen.map Operation.End index
                2, Gen.map Operation.EndInit index
                6, Gen.map2 (fun from bond -> Operation.Forsake(from, bond)) index (anyOf OperationText.bonds)
                2, Gen.map2 (fun from capable -> Operation.Unshare(from, capable)) index (often 85)
                3, Gen.map3 (fun from into capable -> Operation.Enter(from, into, capable)) index index (often 85)
                4, Gen.map Operation.Leave index
                9,
                gen {
                    let! at = index
                    let! text = text
                    let! offset = Gen.frequency [ 5, Gen.constant 0; 1, Gen.choose (1, 3) ]
                    let! capable = often 85
                    return Operation.WriteLastPid(at, text, offset, capable)
                }
                7, writeNear
                3,
                gen {
                    let! at = index

                    let! route =
                        Gen.oneof
                            [
                                Gen.map Route.OpenedBy index
                                Gen.constant Route.Splice
                                Gen.constant Route.SendFile
                            ]

                    let! text = text
                    let! offset = Gen.frequency [ 5, Gen.constant 0; 1, Gen.choose (1, 3) ]
                    let! capable = often 85
                    return Operation.Pass(at, route, text, offset, capable)
                }
                5, Gen.map2 (fun at n -> Operation.WritePidMax(at, n)) index pidMax
                2, Gen.map2 (fun from flaw -> Operation.Malformed(from, flaw)) index (anyOf OperationText.flaws)
                2, Gen.map Operation.Race index
                2, Gen.map3 (fun from setTid fate -> Operation.Thread(from, setTid, fate)) index threadSetTid fate
            ]

    let private plain from ending =
        Operation.Clone(from, Nesting.Same, [], true, ending)

    let private nest =
        gen {
            let! from = index
            let! nesting = nesting
            let! pidMax = smallPidMax

            return
                [
                    Operation.Clone(from, nesting, [], true, Ending.Lives)
                    Operation.WritePidMax(-1, pidMax)
                ]
        }

    // What random operations seldom come to by themselves.
    let private story =
        let last n spelling =
            Text.Spelled(Number.Exactly n, spelling)

        Gen.frequency
            [
                // A namespace whose first clone is refused or fails late, then used.
                2,
                gen {
                    let! from = index
                    let! late = late

                    let! first =
                        Gen.elements
                            [
                                Operation.Clone(
                                    from,
                                    Nesting.Same,
                                    [ Number.Exactly 1; Number.InUse 0 ],
                                    true,
                                    Ending.Lives
                                )
                                Operation.Clone(from, Nesting.Same, [ Number.Exactly 2 ], true, Ending.Lives)
                                Operation.Clone(from, Nesting.Same, [], true, Ending.Fails(late, false))
                            ]

                    return
                        [
                            Operation.Leave from
                            Operation.Unshare(from, true)
                            first
                            plain from Ending.Lives
                            plain from Ending.Exits
                        ]
                }
                // A zombie of an init keeps its number although the namespace is dead.
                1,
                gen {
                    let! from = index
                    let! number = Gen.elements [ Number.Exactly 1; Number.InUse 0; Number.Exactly 2 ]

                    return
                        [
                            Operation.Leave from
                            Operation.Unshare(from, true)
                            plain from Ending.Lingers
                            Operation.Clone(from, Nesting.Same, [ number ], true, Ending.Exits)
                        ]
                }
                // The init of a namespace dies, then forks go there.
                2,
                gen {
                    let! from = Gen.elements [ 0; -1 ]
                    let! ending = ending
                    let! setTid = Gen.frequency [ 1, Gen.constant []; 1, setTid ]

                    return
                        [
                            Operation.Leave from
                            Operation.Clone(from, Nesting.NewPid, [], true, Ending.Lives)
                            plain -1 Ending.Lives
                            Operation.Enter(0, -1, true)
                            plain 0 Ending.Lives
                            Operation.EndInit -1
                            plain 0 ending
                            Operation.Clone(0, Nesting.Same, setTid, true, ending)
                        ]
                }
                // A space in which 300 and what follows is taken is full above 300 and not below.
                3,
                gen {
                    let! at = index
                    let! pidMax = Gen.choose (301, 303)
                    let! cursor = Gen.choose (298, 301)

                    return
                        [
                            Operation.WritePidMax(at, Number.Exactly pidMax)
                            Operation.WriteLastPid(at, last 299 Spelling.Decimal, 0, true)

                            for _ in 300 .. pidMax - 1 do
                                plain at Ending.Lives

                            Operation.WriteLastPid(at, last cursor Spelling.Decimal, 0, true)
                            plain at Ending.Exits
                        ]
                }
                // A thread's number is next, or asked for, while it lives and after it.
                2,
                gen {
                    let! at = index
                    let! target = Gen.choose (3, 310)
                    let! fate = fate

                    return
                        [
                            Operation.WriteLastPid(at, last (target - 2) Spelling.Decimal, 0, true)
                            Operation.Thread(at, [], fate)
                            Operation.WriteLastPid(at, last (target - 1) Spelling.Decimal, 0, true)
                            plain at Ending.Exits
                            Operation.Clone(at, Nesting.Same, [ Number.Exactly target ], true, Ending.Exits)
                            Operation.End -1
                            Operation.Clone(at, Nesting.Same, [ Number.Exactly target ], true, Ending.Exits)
                            Operation.Clone(at, Nesting.Same, [ Number.Exactly target ], true, Ending.Exits)
                        ]
                }
                // A number that only a group or session holds is next, or asked for.
                2,
                gen {
                    let! at = index
                    let! bond = Gen.elements [ Bond.Group; Bond.Session; Bond.SessionAlone ]
                    let! target = Gen.choose (2, 310)

                    return
                        [
                            Operation.WriteLastPid(at, last (target - 1) Spelling.Decimal, 0, true)
                            Operation.Forsake(at, bond)
                            Operation.WriteLastPid(at, last (target - 1) Spelling.Decimal, 0, true)
                            Operation.Clone(at, Nesting.Same, [ Number.Exactly target ], true, Ending.Exits)
                            plain at Ending.Exits
                            Operation.End -1
                            Operation.Clone(at, Nesting.Same, [ Number.Exactly target ], true, Ending.Exits)
                        ]
                }
            ]

    // Down and down: each namespace in the newest.
    let private descent =
        gen {
            let! depth = Gen.frequency [ 4, Gen.choose (2, 6); 1, Gen.constant 32 ]
            let! nesting = nesting

            return
                [
                    for _ in 1..depth do
                        Operation.Clone(-1, nesting, [], true, Ending.Lives)

                    if depth = 32 then
                        for size in [ 32; 33 ] do
                            Operation.Clone(-1, Nesting.Same, List.replicate size (Number.InUse 0), true, Ending.Exits)
                ]
        }

    /// So many operations to run one after the other.
    let sequence (steps: int) : Gen<Operation list> =
        let single = Gen.map List.singleton operation

        gen {
            let! start =
                Gen.frequency
                    [
                        5, Gen.map (fun n -> [ Operation.WritePidMax(0, n) ]) smallPidMax
                        2, Gen.constant []
                        1, descent
                    ]

            let! parts = Gen.listOfLength steps (Gen.frequency [ 40, single; 3, nest; 2, story ])

            return List.truncate steps (start @ List.concat parts)
        }

    // The finalizer of splitmix64. FsCheck's generator steps by a constant, so seeds that lie a constant apart would give
    // every run the numbers of the run before.
    let private mix (z: uint64) =
        let z = (z ^^^ (z >>> 30)) * 0xBF58476D1CE4E5B9UL
        let z = (z ^^^ (z >>> 27)) * 0x94D049BB133111EBUL
        z ^^^ (z >>> 31)

    /// The sequence of a run; the same seed and run give the same one everywhere.
    let run (seed: uint64) (steps: int) (run: int) : Operation list =
        let rnd = Rnd(mix (mix (seed + 1UL) + uint64 run))
        Gen.sampleWithSeed rnd steps 1 (sequence steps) |> Array.head
