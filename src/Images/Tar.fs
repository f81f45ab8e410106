namespace SetNsLastPid

open System
open System.Text

/// What a block of 512 bytes at the beginning of an entry of a tar archive says.
[<RequireQualifiedAccess>]
type TarHeader =
    /// No more entries follow.
    | End
    /// No header of a tar archive.
    | Wrong
    /// An entry whose contents are this many bytes, padded to whole blocks.
    | File of Path: string * Size: int64
    /// What holds for the next entry in place of its header, in so many bytes.
    | Extension of Size: int64
    /// An entry, or a part of it, that is of no use here.
    | Skipped of Size: int64
    /// The same where holes are left out (GNU): more blocks with a map of them follow the header, each that says so.
    | Sparse of Size: int64

/// The format of tar archives (POSIX.1-2024 pax, and what GNU tar writes), so far as it takes to find files by path.
/// The platform's own reader takes as much memory as an archive tells it to.
[<RequireQualifiedAccess>]
module Tar =
    /// Bytes of a block.
    [<Literal>]
    let Block = 512

    // An octal number among blanks and NULs; or of 95 bits, the highest bit set, which GNU tar writes for what is larger.
    let private number (block: byte[]) start length : int64 voption =
        if block[start] = 0x80uy then
            let mutable value = 0L
            let mutable fits = true

            for i in start + 1 .. start + length - 1 do
                fits <- fits && value < (1L <<< 54)
                value <- (value <<< 8) ||| int64 block[i]

            if fits then ValueSome value else ValueNone
        else
            let text = Encoding.ASCII.GetString(block, start, length).Trim(' ', '\000')

            if text.Length <= 20 && Seq.forall (fun c -> c >= '0' && c <= '7') text then
                ValueSome(Seq.fold (fun value c -> (value <<< 3) ||| int64 (int c - int '0')) 0L text)
            else
                ValueNone

    let private text (block: byte[]) start length =
        let stop = Array.IndexOf(block, 0uy, start, length)
        Encoding.UTF8.GetString(block, start, (if stop < 0 then length else stop - start))

    // The bytes of the header, those of the sum counting as blanks.
    let private sum (block: byte[]) =
        let mutable sum = 0

        for i in 0 .. Block - 1 do
            sum <- sum + (if i >= 148 && i < 156 then 32 else int block[i])

        sum

    /// What the block says, of `Block` bytes. It is none of the header's business whether the archive goes on.
    let header (block: byte[]) : TarHeader =
        if not (Array.Exists(block, (fun b -> b <> 0uy))) then
            TarHeader.End
        else
            match number block 148 8, number block 124 12 with
            | ValueSome expected, ValueSome size when expected = int64 (sum block) && size >= 0L ->
                match char block[156] with
                | '\000'
                | '0'
                | '7' ->
                    let name = text block 0 100

                    // GNU tar has other things at the place of the prefix.
                    let prefix =
                        if text block 257 8 = "ustar" then
                            text block 345 155
                        else
                            ""

                    TarHeader.File((if prefix = "" then name else prefix + "/" + name), size)
                | 'x'
                | 'X' -> TarHeader.Extension size
                | 'S' -> TarHeader.Sparse size
                // Links, devices, directories and FIFOs have no contents, whatever size they have.
                | '1'
                | '2'
                | '3'
                | '4'
                | '5'
                | '6' -> TarHeader.Skipped 0L
                | _ -> TarHeader.Skipped size
            | _ -> TarHeader.Wrong

    /// Whether another block of a map follows that header of a `Sparse` entry, or that block of the map.
    let continues (isHeader: bool) (block: byte[]) : bool =
        block[if isHeader then 482 else 504] <> 0uy

    /// What an extension says of the next entry: its header with the path and size of the records "LENGTH KEY=VALUE\n"; `Wrong`
    /// where they are none.
    let extend (extension: byte[]) (header: TarHeader) : TarHeader =
        let rec go at (path: string | null) size =
            if at = extension.Length then
                match header with
                | TarHeader.File(old, oldSize) ->
                    let path =
                        match path with
                        | null -> old
                        | path -> path

                    TarHeader.File(path, ValueOption.defaultValue oldSize size)
                | TarHeader.Skipped old when old > 0L -> TarHeader.Skipped(ValueOption.defaultValue old size)
                | TarHeader.Sparse old -> TarHeader.Sparse(ValueOption.defaultValue old size)
                | other -> other
            else
                let blank = Array.IndexOf(extension, 32uy, at)

                let length =
                    if blank < 0 || blank - at > 9 then
                        ValueNone
                    else
                        Wire.decimal (Encoding.UTF8.GetString(extension, at, blank - at))

                match length with
                | ValueSome length when length > int64 (blank - at + 2) && length <= int64 (extension.Length - at) ->
                    let stop = at + int length
                    let record = Encoding.UTF8.GetString(extension, blank + 1, stop - blank - 2)

                    match record.IndexOf '=', extension[stop - 1] with
                    | equals, 10uy when equals > 0 ->
                        let value = record.Substring(equals + 1)

                        match record.Substring(0, equals) with
                        | "path" -> go stop value size
                        | "size" ->
                            match Wire.decimal value with
                            | ValueSome size -> go stop path (ValueSome size)
                            | ValueNone -> TarHeader.Wrong
                        | _ -> go stop path size
                    | _ -> TarHeader.Wrong
                | _ -> TarHeader.Wrong

        go 0 null ValueNone
