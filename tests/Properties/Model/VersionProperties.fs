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
            (5, 6), (5, 7), _.ClonesIntoCgroup
            (6, 8), (6, 9), _.PidfdOfThread
            (6, 13), (6, 14), _.PidMaxPerNamespace
            (6, 19), (7, 0), _.ChecksBeforePicks
            (7, 0), (7, 1), _.ChecksInitAfterPick
            (7, 0), (7, 1), (fun (kernel: KernelRules) -> not kernel.FailedFirstCloneKills)
        ]

    for before, from, isNew in changes do
        for version in [ before; 5, 5; 5, 0; 4, 99; 2, 6 ] do
            Assert.False(isNew (rules version), $"{version}, new from {from}")

        for version in [ from; 7, 1; 7, 3; 7, 99; 8, 0; 10, 0 ] do
            Assert.True(isNew (rules version), $"{version}, new from {from}")

[<Fact>]
let ``what was seen of a rule counts, and is a surprise where the version says otherwise`` () =
    let all =
        [
            KernelRule.ClonesIntoCgroup, "5.7 in CLONE_INTO_CGROUP"
            KernelRule.PidfdOfThread, "6.9 in CLONE_PIDFD of threads"
            KernelRule.PidMaxPerNamespace, "6.14 in pid_max"
            KernelRule.FreesThreadsLate, "6.15 in numbers of threads"
            KernelRule.ChecksBeforePicks, "7.0 in the order of set_tid's checks"
            KernelRule.ChecksInitAfterPick, "7.1 in set_tid without an init"
            KernelRule.FailedFirstCloneKills, "7.1 in a failed first clone"
        ]

    let oldest, newest = rules (5, 5), rules (7, 3)

    for rule, words in all do
        let patched = KernelRules.withSeen [ { Rule = rule; IsNew = true } ] oldest
        Assert.Equal<string list>([ $"as {words}" ], KernelRules.surprises oldest patched)
        let missing = KernelRules.withSeen [ { Rule = rule; IsNew = false } ] newest
        Assert.Equal<string list>([ $"as before {words}" ], KernelRules.surprises newest missing)

    for isNew, from, into in [ true, oldest, newest; false, newest, oldest ] do
        let seen = all |> List.map (fun (rule, _) -> { Rule = rule; IsNew = isNew })
        Assert.Equal(into, KernelRules.withSeen seen from)
        Assert.Equal(from, KernelRules.withSeen [] from)
        Assert.Empty(KernelRules.surprises into into)

[<Fact>]
let ``a page has 4096 bytes unless the machine says otherwise, which changes nothing else`` () =
    for version in [ 5, 5; 6, 18; 7, 3 ] do
        Assert.Equal(4096, (rules version).PageSize)
        let large = KernelRules.withPageSize 16384 (rules version)
        Assert.Equal({ rules version with PageSize = 16384 }, large)
        Assert.Empty(KernelRules.surprises (rules version) large)

[<Fact>]
let ``writes are strict unless the machine says otherwise, which changes nothing else`` () =
    for isStrict in [ true; false ] do
        let kernel = KernelRules.withStrictWrites isStrict KernelRules.newest

        Assert.Equal(
            { KernelRules.newest with
                WritesStrictly = isStrict
            },
            kernel
        )

        Assert.Empty(KernelRules.surprises KernelRules.newest kernel)

    Assert.True KernelRules.newest.WritesStrictly

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
