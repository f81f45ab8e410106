namespace SetNsLastPid.Verification

open System
open FsCheck.FSharp
open SetNsLastPid

/// Random parts of operations: numbers, and what is written into ns_last_pid.
module internal PartGen =
    // Mostly the oldest and the newest, so that operations meet.
    let internal index =
        Gen.frequency [ 5, Gen.constant 0; 4, Gen.constant -1; 3, Gen.choose (0, 9) ]

    let internal number =
        Gen.frequency
            [
                3, Gen.choose (1, 8) |> Gen.map Number.Exactly
                3, Gen.choose (297, 304) |> Gen.map Number.Exactly
                4, Gen.choose (-2, 4) |> Gen.map Number.FromCursor
                3, Gen.choose (0, 12) |> Gen.map Number.InUse
                3, Gen.choose (-4, 1) |> Gen.map Number.FromPidMax
                1,
                Gen.elements
                    [
                        0
                        -1
                        Int32.MinValue
                        Int32.MaxValue
                        32768
                        Limits.PidMax - 1
                        Limits.PidMax
                    ]
                |> Gen.map Number.Exactly
            ]

    let internal often percent =
        Gen.frequency [ percent, Gen.constant true; 100 - percent, Gen.constant false ]

    let private orEmpty texts =
        Gen.frequency [ 2, Gen.constant ""; 3, Gen.elements texts ]

    // White space that separates and that does not, signs, prefixes of other bases, and what fills the 21 bytes that are
    // looked at.
    let private before =
        orEmpty
            [
                " "
                "\n\t"
                "\u00a0"
                "\v"
                "\u0000"
                "-"
                "+"
                "- "
                "0"
                "00"
                "0x"
                "0X"
                "0x0"
                "-0x"
                "0o"
                "0000000000000000000"
                "00000000000000000000"
            ]

    let private digits =
        Gen.frequency
            [
                6, Gen.choose (0, 310) |> Gen.map string
                2, Gen.elements [ "1f"; "a"; "F0"; "08"; "7g"; "."; "" ]
                4,
                Gen.elements
                    [
                        "4194304"
                        "4194305"
                        "2147483648"
                        "4294967297"
                        "18446744073709551615"
                        "18446744073709551617"
                        "36893488147419103233"
                    ]
            ]

    let private after =
        orEmpty
            [
                "\n"
                " "
                "\t\u00a0"
                "\r"
                "\r\n"
                "\v"
                "\u00a0"
                "\u0000"
                " 5"
                "\n\n5\n"
                ","
                "a"
                " \u0000"
            ]

    let private bytes =
        Gen.frequency
            [
                8, Gen.map3 (fun a b c -> a + b + c) before digits after
                // What the kernel reads otherwise than one would think.
                2,
                Gen.map2 (+) (Gen.elements [ "-0"; "-00"; "-0x0"; "0x"; "0X"; "0x 5"; "-0x"; "0x\n"; "-"; "- 0" ]) after
                1,
                Gen.choose (0, 6)
                |> Gen.bind (fun size -> Gen.listOfLength size (Gen.choose (0, 255)))
                |> Gen.map (fun codes -> String.Concat(List.map (fun code -> string (char code)) codes))
            ]

    let internal text =
        Gen.frequency
            [
                5,
                Gen.map2
                    (fun n spelling -> Text.Spelled(n, spelling))
                    number
                    (Gen.frequency
                        [
                            6, Gen.constant Spelling.Decimal
                            4,
                            Gen.elements
                                [
                                    Spelling.Hexadecimal
                                    Spelling.Octal
                                    Spelling.Spaced
                                    Spelling.Trailed
                                    Spelling.Cut
                                ]
                            3, Gen.choose (20, 22) |> Gen.map Spelling.Filled
                        ])
                5, Gen.map Text.Raw bytes
            ]
