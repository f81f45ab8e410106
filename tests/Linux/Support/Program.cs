using SetNsLastPid.Tests.Support;

// Runs the system layer where the test process cannot: in a PID namespace of its own, without capabilities, ended
// by a signal. Each verb writes one line of words separated by blanks.
return args switch
{
    ["flavour", var name] => Cycling.Try(name),
    ["burst", var name, var threads, var count] => Cycling.Burst(name, int.Parse(threads), long.Parse(count)),
    ["deadline", var name, var threads] => Cycling.Deadline(name, int.Parse(threads)),
    ["during", var name, var threads, var full] => Cycling.During(name, int.Parse(threads), int.Parse(full)),
    ["end-threads", var times] => Cycling.EndThreads(int.Parse(times)),
    ["unlock"] => Cycling.Unlock(),
    ["rate", var name, var threads, var count, var rounds] =>
        Cycling.Rate(name, int.Parse(threads), long.Parse(count), int.Parse(rounds)),
    ["read"] => Cursor.Read(),
    ["write", var pid] => Cursor.Write(int.Parse(pid)),
    ["numbers"] => Numbers.List(),
    ["verify"] => Verifying.Run(null, json: false),
    ["verify", "--json"] => Verifying.Run(null, json: true),
    ["verify", "--tap"] => Verifying.Run(null, json: false, tap: true),
    ["verify-as", var major, var minor, var seed] => Verifying.As(int.Parse(major), int.Parse(minor), ulong.Parse(seed)),
    ["verify", var replay] => Verifying.Run(replay, json: false),
    ["verify-here", var runs, var seed] => VerifyingHere.Run(int.Parse(runs), ulong.Parse(seed), isWrong: false),
    ["verify-here", var runs, var seed, "wrong"] => VerifyingHere.Run(int.Parse(runs), ulong.Parse(seed), isWrong: true),
    ["spawn", _, _, _, _, _, ..] => Spawning.Repeat(args),
    ["holder", var number] => Numbers.Hold(number),
    ["ask-fork", var server, var count, var step] => Asking.Fork(server, int.Parse(count), int.Parse(step)),
    ["ask-send", var client, var server, var pid, .. var lengths] => Asking.Send(client, server, int.Parse(pid), lengths),
    ["ask-fuzz", var server, var count, var seed] => Asking.Fuzz(server, int.Parse(count), int.Parse(seed)),
    ["ask-descriptors", var server, var count] => Asking.SendDescriptors(server, int.Parse(count)),
    ["ask-flood", var server] => Asking.Flood(server),
    ["ask-deafen", var server, var count] => Asking.Deafen(server, int.Parse(count)),
    ["ask-pipeline", var server, var count] => Asking.Pipeline(server, int.Parse(count)),
    ["ask-wait", var server, var pid] => Asking.Wait(server, int.Parse(pid)),
    ["ask-time", var server, var count] => Asking.Time(server, int.Parse(count)),
    ["fill", var free] => Filling.Fill(int.Parse(free)),
    ["mute", var path] => Asking.Mute(path),
    ["manage", var path] => Asking.Manage(path),
    ["fail", var call, var errno, .. { Length: > 0 } command] => Seccomp.Fail(uint.Parse(call), uint.Parse(errno), command),
    ["seccomp", .. { Length: > 0 } command] => Seccomp.Run(command),
    ["old-seccomp", .. { Length: > 0 } command] => Seccomp.Run(command, isOld: true),
    _ => 2,
};
