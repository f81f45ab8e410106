namespace SetNsLastPid.Linux;

/// <summary>Where an argument's value comes from when its instruction runs.</summary>
internal enum ArgMode
{
    /// <summary>The argument is the value.</summary>
    Value = 0,

    /// <summary>The argument is the address of the 8-byte value.</summary>
    Long = 1,

    /// <summary>The argument is the address of the 4-byte value, which is sign-extended.</summary>
    Int = 2,
}
