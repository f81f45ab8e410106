/// In which kernel each rule changed, from both sides, and what a namespace that was seen is taken for.
module SetNsLastPid.Tests.Properties.VersionProperties

open Xunit
open SetNsLastPid

let private rules (major, minor) = KernelRules.ofVersion major minor

// The last version with the old rule and the first with the new one, as versions follow each other.
[<Fact>]
let ``each rule changes between the two versions where the kernel changed it`` () =
    let changes =
        [
            (6, 8), (6, 9), _.PidfdOfThread
            (6, 13), (6, 14), _.PidMaxPerNamespace
            (6, 19), (7, 0), _.ChecksBeforePicks
            (7, 0), (7, 1), _.ChecksInitAfterPick
            (7, 0), (7, 1), (fun (kernel: KernelRules) -> not kernel.FailedFirstCloneKills)
        ]

    for before, from, isNew in changes do
        for version in [ before; 6, 1; 5, 19; 5, 99; 4, 20 ] do
            Assert.False(isNew (rules version), $"{version}, new from {from}")

        for version in [ from; 7, 1; 7, 3; 7, 99; 8, 0; 10, 0 ] do
            Assert.True(isNew (rules version), $"{version}, new from {from}")

[<Fact>]
let ``the newest kernel is the one with all new rules`` () =
    Assert.Equal(rules (7, 3), KernelRules.newest)

    for version in [ 6, 1; 6, 18; 7, 0 ] do
        Assert.Equal(4194304, (rules version).PidMaxLimit)
        Assert.Equal(32, (rules version).Levels)

[<Fact>]
let ``a namespace that was seen lives and stands behind its last PID, and only choice adds the right to choose`` () =
    let ns = PidNamespace.observed 41 32768 (PidSet.ofSeq [ 1; 41 ])

    let expected =
        {
            Cursor = 42
            PidMax = 32768
            Reserved = 300
            InUse = PidSet.ofSeq [ 41; 1 ]
            Life = Life.Alive
            MayChoose = false
        }

    Assert.Equal(expected, ns)
    Assert.Equal({ expected with MayChoose = true }, PidNamespace.withChoice ns)
    Assert.Equal(41, PidNamespace.lastPid ns)
    Assert.Equal({ expected with Cursor = 7 }, PidNamespace.withLastPid 6 ns)
