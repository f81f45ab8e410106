using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using SetNsLastPid.Verification;

namespace SetNsLastPid.Linux;

/// <summary>A PID namespace, and those nested in it, in which every process is a raw child that was asked for. Not
/// thread-safe. Where the kernel cannot be asked (a process went away or does not answer), everything throws
/// <see cref="RemoteException"/>.</summary>
internal sealed partial class Sandbox : ISandbox
{
    private readonly Sandboxes _home;

    // By namespace: those with an init that lives.
    private readonly SortedDictionary<int, SandboxAgent> _agents = [];

    // By namespace, of all there ever were: the one around it, -1 for the outermost.
    private readonly List<int> _parents = [];

    // By namespace: a descriptor for it, or why there is none, of those that ever had an init that lived.
    private readonly Dictionary<int, SysResult> _descriptors = [];

    // Namespaces that were made and have had no process yet.
    private readonly HashSet<int> _unborn = [];

    private readonly Dictionary<int, Member> _processes = [];
    private readonly Order _order;
    private readonly Order _reaping;
    private readonly Order _birth;
    private int _nextProcess;

    internal Sandbox(Sandboxes home)
    {
        _home = home;
        _order = home.NewOrder(Resolve.MostBytes);
        _reaping = home.NewOrder();
        _birth = home.NewOrder();
        try
        {
            if (home.IsHere)
            {
                Before = FSharpValueOption<PidNamespace>.NewValueSome(home.Observe());
            }

            Birth birth = NewBirth(home.Base, Nesting.NewPid, capable: true, space: 0);
            _order.Clear();
            int clone = _order.Clone(home.IsHere ? 0 : Kernel.CLONE_NEWPID, Child.Becomes(birth.Agent.Task));
            home.Base.Task.Run(_order);
            if (_order[clone].IsError)
            {
                birth.Agent.Dispose();
                throw new RemoteException("cannot create a PID namespace", _order[clone].Error);
            }

            AddSpace(-1);
            Finish(birth);
            AddProcess(0, -1, _order[clone].Value);
            Start = See([]);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public FSharpValueOption<PidNamespace> Before { get; }

    public Observation Start { get; } = null!;

    public bool IsDisturbed() => _home.IsHere && _home.IsDisturbed();

    public Observation Perform(Step step)
    {
        AwaitReaping();
        return step switch
        {
            Step.Clone clone => Clone(clone),
            Step.Forsake forsake => Forsake(forsake),
            Step.Thread thread => Thread(thread),
            Step.Race race => Race(race),
            Step.End end => End(end.Process),
            Step.EndInit end => EndInit(end.Space, end.Reaped),
            Step.Unshare unshare => Unshare(unshare),
            Step.Enter enter => Enter(enter),
            Step.WriteLastPid write => Write(write),
            Step.Pass pass => Pass(pass),
            Step.WritePidMax write => Write(write),
            Step.Malformed malformed => Malformed(malformed),
            _ => See([]),
        };
    }

    public void Dispose()
    {
        // The outermost first: all that is below dies with it and needs nobody to reap it.
        IEnumerable<SandboxAgent> agents = _agents.Values;
        if (_home.IsHere)
        {
            EndEach();
            agents = agents.Reverse();
        }

        foreach (SandboxAgent agent in agents)
        {
            agent.Dispose();
        }

        _agents.Clear();
        _order.Dispose();
        _reaping.Dispose();
        _birth.Dispose();
    }

    private void AwaitReaping() => _reaping.UnderWay?.AwaitIdle();

    private Observation Unshare(Step.Unshare step)
    {
        SandboxAgent agent = _agents[step.From];
        SysResult result = RunOne(agent, step.Capable, Kernel.SYS_unshare, Kernel.CLONE_NEWPID);
        if (!result.IsError)
        {
            agent.ChildrenIn = AddSpace(agent.Space);
            _unborn.Add(agent.ChildrenIn);
        }

        return See([Of(result, Outcome.Done)], agent);
    }

    private Observation Enter(Step.Enter step)
    {
        SandboxAgent agent = _agents[step.From];
        SysResult result = RunOne(agent, step.Capable, Kernel.SYS_setns, _descriptors[step.Into].Value, Kernel.CLONE_NEWPID);
        if (!result.IsError)
        {
            agent.ChildrenIn = step.Into;
        }

        return See([Of(result, Outcome.Done)], agent);
    }

    private Observation Write(Step.WriteLastPid step)
    {
        SandboxAgent agent = _agents[step.Space];
        byte[] text = Encoding.Latin1.GetBytes(step.Text);
        SysResult result = RunOne(
            agent, step.Capable, Kernel.SYS_pwrite64, _home.LastPidFd, default, text.Length, step.Offset, text);
        return See([Of(result, Outcome.NewWrote(result.Value))], agent);
    }

    private Observation Write(Step.WritePidMax step)
    {
        SandboxAgent agent = _agents[step.Space];
        byte[] text = Encoding.ASCII.GetBytes(step.Value.ToString(CultureInfo.InvariantCulture));
        SysResult result = RunOne(agent, true, Kernel.SYS_pwrite64, agent.PidMaxFd, default, text.Length, 0, text);
        return See([Of(result, Outcome.Done)], agent);
    }

    private static Outcome Of(SysResult result, Outcome success) =>
        result.IsError ? Outcome.NewRefused(result.Error) : success;

    // One syscall, whose second argument is the address of `text` if there is one, then the reads.
    private SysResult RunOne(
        SandboxAgent agent, bool capable, long number, Arg a0, Arg a1 = default, Arg a2 = default, Arg a3 = default,
        ReadOnlySpan<byte> text = default)
    {
        _order.Clear();
        AppendCapset(_order, capable, agent.Capabilities.Dropped);
        int call = _order.Call(number, a0, text.IsEmpty ? a1 : _order.Put(text), a2, a3);
        AppendCapset(_order, capable, agent.Capabilities.Raised);
        RunAndLook(agent);
        return _order[call];
    }

    // All of `_order`, and a look at the namespace in the same go.
    private void RunAndLook(SandboxAgent agent)
    {
        int reads = agent.AppendReads(_order);
        agent.Task.Run(_order);
        agent.Note(_order, reads);
    }

    // Only what is done without capabilities drops them before and raises them after.
    private static void AppendCapset(Order order, bool capable, Capabilities capabilities)
    {
        if (!capable)
        {
            order.Call(Kernel.SYS_capset, order.Put(Capabilities.Header), order.PutValue(capabilities));
        }
    }

    // All namespaces with an init look but those that have just done so.
    private Observation See(IEnumerable<Outcome> outcomes, SandboxAgent? told = null)
    {
        _ = Look(told);
        return Report(outcomes);
    }

    // Whom the two descriptors belong to, in each namespace that looks.
    private Dictionary<int, (int First, int Second)> Look(SandboxAgent? told = null, SandboxAgent? newborn = null)
    {
        Dictionary<int, (int First, int Second)> owners = [];
        List<SandboxAgent> others = [.. _agents.Values.Where(agent => agent != told && agent != newborn)];
        others.ForEach(agent => agent.StartLooking());
        others.ForEach(agent => owners[agent.Space] = agent.FinishLooking());
        return owners;
    }

    // Those that look see them as in there, else it is for both the number given.
    private static (int First, int Second) PidAt(Dictionary<int, (int First, int Second)> owners, int space, int otherwise) =>
        owners.GetValueOrDefault(space, (otherwise, otherwise));

    private Observation Report(IEnumerable<Outcome> outcomes) =>
        new(ListModule.OfSeq(outcomes), ListModule.OfSeq(_agents.Values.Select(agent => agent.Reading)));

    private int AddSpace(int parent)
    {
        _parents.Add(parent);
        return _parents.Count - 1;
    }

    private int AddProcess(int space, int parent, int pid)
    {
        _processes[_nextProcess] = new Member(space, parent, pid);
        return _nextProcess++;
    }

    private bool IsWithin(int outer, int space)
    {
        while (space > outer)
        {
            space = _parents[space];
        }

        return space == outer;
    }

    // A process that was not reaped yet: the namespace it is in, that whose init is its parent, and its PID for that one.
    private readonly record struct Member(int Space, int Parent, int Pid);
}
