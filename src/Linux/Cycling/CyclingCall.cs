namespace SetNsLastPid.Linux;

/// <summary>Which call a <see cref="CyclingClone"/> makes.</summary>
internal enum CyclingCall
{
    /// <summary>clone3, failing. It refuses a flag that the kernel does not know.</summary>
    Clone3,

    /// <summary>
    /// libc's clone, failing. A kernel older than its flag ignores that and makes a child, which libc sends into
    /// the function given.
    /// </summary>
    Clone,

    /// <summary>libc's clone of a task that ends at once.</summary>
    Child,
}
