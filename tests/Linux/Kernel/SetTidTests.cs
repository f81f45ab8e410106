using Microsoft.FSharp.Collections;
using Xunit;
using Space = SetNsLastPid.PidNamespace;

namespace SetNsLastPid.Tests.Linux;

public sealed class SetTidTests
{
    private static readonly int[] s_pids = [-1, 0, 1, 5, 300, 301, 400];

    [Theory]
    [InlineData(6, 18)]
    [InlineData(7, 0)]
    [InlineData(7, 1)]
    public void It_finds_a_fault_exactly_when_the_allocator_refuses_and_with_its_errno(int major, int minor)
    {
        KernelRules kernel = KernelRulesModule.ofVersion(major, minor);
        HashSet<string> seen = [];
        foreach (FSharpList<Space> stack in Stacks())
        {
            foreach (int[] pids in Arrays())
            {
                var list = ListModule.OfSeq(pids);
                (Allocation allocation, FSharpList<Space> _) = PidStackModule.allocate(kernel, list, stack);
                var fault = SetTid.fault(kernel, list, stack);
                // That the innermost namespace is dead is no fault of the array.
                int expected = allocation is Allocation.Refused { Errno: not Errno.ENOMEM and var errno } ? (int)errno : 0;
                int got = fault.IsValueNone ? 0 : (int)(fault.Value switch
                {
                    SetTidFault.NotAllowed => Errno.EPERM,
                    SetTidFault.Taken => Errno.EEXIST,
                    _ => Errno.EINVAL,
                });
                Assert.True(expected == got, $"{string.Join(',', pids)}: allocator {expected}, fault {got} {fault}");
                seen.Add(fault.IsValueNone ? "" : fault.Value.GetType().Name);
            }
        }

        Assert.Equal(6, seen.Count);
    }

    private static IEnumerable<int[]> Arrays()
    {
        yield return [];
        foreach (int a in s_pids)
        {
            yield return [a];
            foreach (int b in s_pids)
            {
                yield return [a, b];
            }

            yield return [a, a, a];
        }
    }

    private static IEnumerable<FSharpList<Space>> Stacks()
    {
        Space[] spaces =
        [
            PidNamespaceModule.create(true, 350),
            PidNamespaceModule.withChoice(PidNamespaceModule.observed(10, 350, PidSetModule.ofSeq([1, 5]))),
            PidNamespaceModule.observed(10, 350, PidSetModule.ofSeq([1, 300])),
            Once(Life.Dead),
            Once(Life.Stillborn),
        ];
        foreach (Space inner in spaces)
        {
            yield return ListModule.OfSeq([inner]);
            foreach (Space outer in spaces[1..3])
            {
                yield return ListModule.OfSeq([inner, outer]);
            }
        }
    }

    private static Space Once(Life life)
    {
        Space ns = PidNamespaceModule.create(true, 350);
        return new Space(ns.Cursor, ns.PidMax, ns.Reserved, ns.InUse, life, ns.MayChoose);
    }
}
