using Xunit;

namespace SetNsLastPid.Tests.Linux;

/// <summary>Those in which the process of the tests itself makes zygotes. These have copies of all its files: of the pipe by which
/// another test's new process tells that it runs, too, so that the other test would wait as long as the zygote lives.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    /// <summary>The collection's name.</summary>
    internal const string Name = "alone";
}
