using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>Tests whose own process makes zygotes. A zygote has a copy of every open file, also of the pipe on which another test
/// waits for a process that it starts; that test would wait as long as the zygote lives.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    /// <summary>The collection's name.</summary>
    internal const string Name = "alone";
}
