namespace SetNsLastPid

open System.Buffers.Binary
open System.Globalization

/// A field of a protobuf message: a number, or where in the message's bytes its text lies.
type internal WireField =
    {
        /// 1 or more.
        Number: int
        /// Whether it is a varint; else it is a run of bytes, or a number of fixed size, which nothing here needs.
        IsVarint: bool
        /// Whether it is a run of bytes.
        IsBytes: bool
        /// The varint's value, which a uint32 has the low half of.
        Value: uint64
        /// Where the run begins, or the next field where it is none.
        Start: int
        /// How long the run is; 0 where it is none.
        Length: int
    }

    /// Where the next field begins.
    member field.End = field.Start + field.Length

/// protobuf's wire format (protobuf.dev/programming-guides/encoding), of which CRIU's images use a part.
[<RequireQualifiedAccess>]
module internal Wire =
    /// A varint of at most ten bytes from `at` on, `stop` not included, and where it ends.
    let varint (bytes: byte[]) (at: int) (stop: int) : struct (uint64 * int) voption =
        let rec go at shift value =
            if at >= stop || shift > 63 then
                ValueNone
            else
                let value = value ||| (uint64 (bytes[at] &&& 0x7Fuy) <<< shift)

                if bytes[at] < 0x80uy then
                    ValueSome(struct (value, at + 1))
                else
                    go (at + 1) (shift + 7) value

        go at 0 0UL

    let private field number start length =
        {
            Number = number
            IsVarint = false
            IsBytes = false
            Value = 0UL
            Start = start
            Length = length
        }

    /// The field that begins at `at`, in a message that ends before `stop`; none where there is no whole one.
    let next (bytes: byte[]) (at: int) (stop: int) : WireField voption =
        match varint bytes at stop with
        | ValueSome(struct (tag, at)) when tag >= 8UL && tag <= 0xFFFFFFFFUL ->
            let number = int (tag >>> 3)

            match int (tag &&& 7UL) with
            | 0 ->
                match varint bytes at stop with
                | ValueSome(struct (value, at)) ->
                    ValueSome
                        { field number at 0 with
                            IsVarint = true
                            Value = value
                        }
                | ValueNone -> ValueNone
            | 1 when stop - at >= 8 -> ValueSome(field number (at + 8) 0)
            | 2 ->
                match varint bytes at stop with
                | ValueSome(struct (length, at)) when length <= uint64 (stop - at) ->
                    ValueSome
                        { field number at (int length) with
                            IsBytes = true
                        }
                | _ -> ValueNone
            | 5 when stop - at >= 4 -> ValueSome(field number (at + 4) 0)
            // 3 and 4 are groups, which no message of CRIU has.
            | _ -> ValueNone
        | _ -> ValueNone

    /// The little-endian number of 32 bits at `at`; none where there are fewer.
    let fixed32 (bytes: byte[]) (at: int) : uint32 voption =
        if bytes.Length - at < 4 then
            ValueNone
        else
            ValueSome(BinaryPrimitives.ReadUInt32LittleEndian(System.ReadOnlySpan<byte>(bytes, at, 4)))

    /// A number of decimal digits alone, below 2 to the 63rd.
    let decimal (text: string) : int64 voption =
        match System.Int64.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture) with
        | true, n -> ValueSome n
        | _ -> ValueNone
