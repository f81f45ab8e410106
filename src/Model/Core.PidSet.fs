namespace SetNsLastPid

open System
open System.Numerics

/// A node of a `PidSet`. The shape depends on the height alone, so equal sets are equal node by node.
[<CustomEquality; NoComparison>]
type internal PidNode =
    /// 64 numbers, a bit each, set when the number is in the set.
    | Leaf of bits: uint64
    /// 64 children, those whose numbers are all in the set, and how many numbers the children hold together.
    | Branch of full: uint64 * count: int * children: PidNode[]

    // Sets that came from one another share most nodes: without a look at the references first, comparing two walks
    // 262144 leaves.
    override node.Equals other =
        match other with
        | :? PidNode as other when Object.ReferenceEquals(node, other) -> true
        | :? PidNode as other ->
            match node, other with
            | Leaf bits, Leaf otherBits -> bits = otherBits
            | Branch(full, count, children), Branch(otherFull, otherCount, otherChildren) ->
                full = otherFull
                && count = otherCount
                && (count = 0
                    || full = UInt64.MaxValue
                    || Array.forall2 (fun (a: PidNode) (b: PidNode) -> a.Equals b) children otherChildren)
            | _ -> false
        | _ -> false

    override node.GetHashCode() =
        match node with
        | Leaf bits -> bits.GetHashCode()
        | Branch(full, count, _) -> HashCode.Combine(full, count)

/// An immutable set of numbers from 0 to 16777215. Finding the first absent number, adding and removing take four
/// steps whatever the size: it is the 64-ary tree with a "nothing free below" mark a child that the kernel keeps PIDs
/// in (lib/radix-tree.c, `idr_get_free`), made persistent.
[<Struct>]
type PidSet =
    internal
        {
            Root: PidNode
        }

    /// How many numbers are in the set.
    member set.Count =
        match set.Root with
        | Leaf bits -> BitOperations.PopCount bits
        | Branch(_, count, _) -> count

/// Sets of PIDs.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
module PidSet =
    /// Numbers are below this: 64 to the fourth, above every pid_max.
    [<Literal>]
    let Capacity = 16777216

    [<Literal>]
    let private TopShift = 18

    let private countOf node =
        match node with
        | Leaf bits -> BitOperations.PopCount bits
        | Branch(_, count, _) -> count

    let private isFull node =
        match node with
        | Leaf bits -> bits = UInt64.MaxValue
        | Branch(full, _, _) -> full = UInt64.MaxValue

    let rec private uniform shift bits =
        if shift = 0 then
            Leaf bits
        else
            let child = uniform (shift - 6) bits
            Branch(bits, 64 * countOf child, Array.create 64 child)

    let private emptyNode = uniform TopShift 0UL

    /// The set without a number.
    let empty: PidSet = { Root = emptyNode }

    let private withChild full count (children: PidNode[]) i child =
        let copy = Array.copy children
        copy[i] <- child
        let bit = 1UL <<< i
        let full = if isFull child then full ||| bit else full &&& ~~~bit
        Branch(full, count - countOf children[i] + countOf child, copy)

    let rec private set shift present n node =
        match node with
        | Leaf bits ->
            let bit = 1UL <<< n
            Leaf(if present then bits ||| bit else bits &&& ~~~bit)
        | Branch(full, count, children) ->
            let i = n >>> shift
            let child = set (shift - 6) present (n &&& ((1 <<< shift) - 1)) children[i]
            withChild full count children i child

    let rec private has shift n node =
        match node with
        | Leaf bits -> ((bits >>> n) &&& 1UL) <> 0UL
        | Branch(_, _, children) -> has (shift - 6) (n &&& ((1 <<< shift) - 1)) children[n >>> shift]

    let private inCapacity n = n >= 0 && n < Capacity

    /// Whether the number is in the set. False for numbers that no set can hold.
    let contains (n: int) (pids: PidSet) : bool =
        inCapacity n && has TopShift n pids.Root

    /// The set with one number more; the same set if it was there. Numbers outside 0 to 16777215 are left out.
    let add (n: int) (pids: PidSet) : PidSet =
        if not (inCapacity n) || contains n pids then
            pids
        else
            { Root = set TopShift true n pids.Root }

    /// The set with one number fewer; the same set if it was not there.
    let remove (n: int) (pids: PidSet) : PidSet =
        if contains n pids then
            {
                Root = set TopShift false n pids.Root
            }
        else
            pids

    let rec private difference node taken =
        match node, taken with
        | Leaf bits, Leaf gone -> Leaf(bits &&& ~~~gone)
        | Branch(full, count, children), Branch(_, takenCount, takenChildren) when count > 0 && takenCount > 0 ->
            let copy = Array.copy children
            let mutable full = full
            let mutable count = count

            for i in 0 .. copy.Length - 1 do
                if countOf takenChildren[i] > 0 then
                    let child = difference children[i] takenChildren[i]
                    count <- count - countOf children[i] + countOf child
                    copy[i] <- child

                    if not (isFull child) then
                        full <- full &&& ~~~(1UL <<< i)

            Branch(full, count, copy)
        | _ -> node

    /// The set without the numbers of `taken`.
    let except (taken: PidSet) (pids: PidSet) : PidSet =
        {
            Root = difference pids.Root taken.Root
        }

    let rec private fill shift first last node =
        match node with
        | Leaf bits -> Leaf(bits ||| ((UInt64.MaxValue >>> (63 - (last - first))) <<< first))
        | Branch(full, count, children) ->
            let mask = (1 <<< shift) - 1
            let copy = Array.copy children
            let mutable full = full
            let mutable count = count

            let firstChild = first >>> shift
            let lastChild = last >>> shift

            for i in firstChild..lastChild do
                let low = if i = firstChild then first &&& mask else 0
                let high = if i = lastChild then last &&& mask else mask

                let child =
                    if low = 0 && high = mask then
                        uniform (shift - 6) UInt64.MaxValue
                    else
                        fill (shift - 6) low high children[i]

                count <- count - countOf children[i] + countOf child
                copy[i] <- child

                if isFull child then
                    full <- full ||| (1UL <<< i)

            Branch(full, count, copy)

    /// The set with every number from `first` to `last`, both included, besides its own. Numbers outside 0 to 16777215
    /// are left out.
    let addRange (first: int) (last: int) (pids: PidSet) : PidSet =
        let first, last = max first 0, min last (Capacity - 1)

        if first > last then
            pids
        else
            {
                Root = fill TopShift first last pids.Root
            }

    /// The set of the numbers given; numbers outside 0 to 16777215 are left out.
    let ofSeq (numbers: int seq) : PidSet =
        Seq.fold (fun pids n -> add n pids) empty numbers

    // First clear bit at or after `from`, or -1.
    let rec private firstClear shift from node =
        match node with
        | Leaf bits ->
            let clear = ~~~bits &&& (UInt64.MaxValue <<< from)

            if clear = 0UL then
                -1
            else
                BitOperations.TrailingZeroCount clear
        | Branch(full, _, children) ->
            let i = from >>> shift
            let here = firstClear (shift - 6) (from &&& ((1 <<< shift) - 1)) children[i]

            if here >= 0 then
                (i <<< shift) + here
            else
                let later = ~~~full &&& ~~~(UInt64.MaxValue >>> (63 - i))

                if later = 0UL then
                    -1
                else
                    let j = BitOperations.TrailingZeroCount later
                    (j <<< shift) + firstClear (shift - 6) 0 children[j]

    /// The lowest number from `from` up to but not including `below` that is not in the set, if there is one.
    let tryFirstFree (from: int) (below: int) (pids: PidSet) : int voption =
        let from, below = max from 0, min below Capacity

        if from >= below then
            ValueNone
        else
            match firstClear TopShift from pids.Root with
            | -1 -> ValueNone
            | n when n >= below -> ValueNone
            | n -> ValueSome n

    // Last clear bit at or before `from`, or -1.
    let rec private lastClear shift from node =
        match node with
        | Leaf bits ->
            let clear = ~~~bits &&& (UInt64.MaxValue >>> (63 - from))
            63 - BitOperations.LeadingZeroCount clear
        | Branch(full, _, children) ->
            let i = from >>> shift
            let mask = (1 <<< shift) - 1
            let here = lastClear (shift - 6) (from &&& mask) children[i]

            if here >= 0 then
                (i <<< shift) + here
            else
                let earlier = ~~~full &&& ((1UL <<< i) - 1UL)

                if earlier = 0UL then
                    -1
                else
                    let j = 63 - BitOperations.LeadingZeroCount earlier
                    (j <<< shift) + lastClear (shift - 6) mask children[j]

    /// The highest number from `from` up to but not including `below` that is not in the set, if there is one.
    let tryLastFree (from: int) (below: int) (pids: PidSet) : int voption =
        let from, below = max from 0, min below Capacity

        if from >= below then
            ValueNone
        else
            match lastClear TopShift (below - 1) pids.Root with
            | n when n < from -> ValueNone
            | n -> ValueSome n

    // How many members are below n.
    let rec private rank shift n node =
        match node with
        | Leaf bits -> BitOperations.PopCount(bits &&& ((1UL <<< n) - 1UL))
        | Branch(_, _, children) ->
            let i = n >>> shift
            let mutable count = rank (shift - 6) (n &&& ((1 <<< shift) - 1)) children[i]

            for k in 0 .. i - 1 do
                count <- count + countOf children[k]

            count

    let private rankOf n (pids: PidSet) =
        if n <= 0 then 0
        elif n >= Capacity then pids.Count
        else rank TopShift n pids.Root

    /// How many numbers from `from` up to but not including `below` are not in the set.
    let countFree (from: int) (below: int) (pids: PidSet) : int =
        let from, below = max from 0, min below Capacity

        if from >= below then
            0
        else
            below - from - (rankOf below pids - rankOf from pids)

    /// The members in ascending order.
    let toSeq (pids: PidSet) : int seq =
        let rec walk shift start node =
            seq {
                match node with
                | Leaf bits ->
                    let mutable rest = bits

                    while rest <> 0UL do
                        yield start + BitOperations.TrailingZeroCount rest
                        rest <- rest &&& (rest - 1UL)
                | Branch(_, _, children) ->
                    for i in 0..63 do
                        if countOf children[i] > 0 then
                            yield! walk (shift - 6) (start + (i <<< shift)) children[i]
            }

        walk TopShift 0 pids.Root
