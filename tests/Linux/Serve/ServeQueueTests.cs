using SetNsLastPid.Commands;
using SetNsLastPid.Linux;
using Tmds.Linux;
using Xunit;

namespace SetNsLastPid.Tests.Linux;

public sealed class ServeQueueTests
{
    [Fact]
    public void Senders_take_turns_and_each_ones_requests_stay_in_order()
    {
        ServeQueue queue = new();
        foreach ((int process, uint value) in new[] { (1, 10u), (1, 11u), (1, 12u), (2, 20u), (3, 30u), (2, 21u) })
        {
            Assert.Null(Add(queue, process, value));
        }

        Assert.Equal([10, 20, 30, 11, 21, 12], Drain(queue));
    }

    [Fact]
    public void Nobody_waits_longer_than_there_are_senders_whoever_comes_and_goes()
    {
        ServeQueue queue = new();
        Add(queue, 1, 1);
        Add(queue, 1, 1);
        Add(queue, 2, 2);
        int newcomer = 100;
        for (int turn = 0; turn < 3; turn++)
        {
            Add(queue, newcomer++, 0);
            Add(queue, newcomer++, 0);
            _ = Take(queue);
        }

        // 1, 2, then the two of the first round before 1 again: what came later stands behind.
        Assert.Equal(0u, Take(queue));
        Assert.Equal(1u, Take(queue));
    }

    [Fact]
    public void A_user_with_many_processes_has_one_turn_among_the_users()
    {
        ServeQueue queue = new();
        for (int i = 1; i <= 100; i++)
        {
            Add(queue, i, (uint)i, user: 1000);
        }

        Add(queue, 500, 5000);
        Add(queue, 501, 5010);
        Add(queue, 500, 5001);

        Assert.Equal([1, 5000, 2, 5010, 3, 5001, 4, 5], Drain(queue)[..8]);
    }

    [Fact]
    public void A_user_with_many_processes_fills_it_for_himself_alone()
    {
        ServeQueue queue = new();
        for (int i = 1; i <= ServeQueue.Capacity; i++)
        {
            Assert.Null(Add(queue, i, (uint)i, user: 1000));
        }

        Assert.Equal(9999u, Add(queue, 9999, 9999, user: 1000));
        Assert.Equal(1u, Add(queue, 500, 5000));
        Assert.Equal([2, 5000, 3], Drain(queue)[..3]);
    }

    [Fact]
    public void When_it_is_full_the_greediest_gives_up_a_place()
    {
        ServeQueue queue = new();
        for (uint i = 0; i < ServeQueue.Capacity; i++)
        {
            Assert.Null(Add(queue, 1, i));
        }

        Assert.Equal(5000u, Add(queue, 1, 5000));
        Assert.Equal(0u, Add(queue, 2, 6000));
        Assert.Equal(1u, Add(queue, 2, 6001));
        Assert.Equal(ServeQueue.Capacity, queue.Count);
        Assert.Equal([2, 6000, 3, 6001, 4], Drain(queue)[..5]);
    }

    [Fact]
    public void When_it_is_full_of_single_requests_the_newcomer_is_turned_away()
    {
        ServeQueue queue = new();
        for (int i = 1; i <= ServeQueue.Capacity; i++)
        {
            Assert.Null(Add(queue, i, (uint)i));
        }

        Assert.Equal(9999u, Add(queue, 9999, 9999));
        Assert.Equal(Enumerable.Range(1, ServeQueue.Capacity).Select(i => (uint)i), Drain(queue));
        Assert.Null(Add(queue, 9999, 9999));
    }

    [Fact]
    public void It_agrees_with_a_simple_one_on_random_floods()
    {
        Random random = new(20261122);
        ServeQueue queue = new();
        List<(int Process, Queue<uint> Requests)> model = [];
        for (uint i = 1; i < 200_000; i++)
        {
            if (random.Next(100) < 48 && model.Count > 0)
            {
                (int process, Queue<uint> requests) = model[0];
                model.RemoveAt(0);
                Assert.Equal(requests.Dequeue(), Take(queue));
                if (requests.Count > 0)
                {
                    model.Add((process, requests));
                }

                continue;
            }

            int sender = random.Next(3) == 0 ? random.Next(1, 2000) : random.Next(1, 5);
            uint? expected = null;
            int own = model.Find(entry => entry.Process == sender).Requests?.Count ?? 0;
            uint? dropped = Add(queue, sender, i);
            if (model.Sum(entry => entry.Requests.Count) == ServeQueue.Capacity)
            {
                int most = model.Max(entry => entry.Requests.Count);
                if (most <= own + 1)
                {
                    Assert.Equal(i, dropped);
                    continue;
                }

                // Of several equally greedy ones it may be any.
                Queue<uint> loser = model.Single(entry => entry.Requests.Count == most && entry.Requests.Peek() == dropped).Requests;
                expected = loser.Dequeue();
            }

            Assert.Equal(expected, dropped);
            int at = model.FindIndex(entry => entry.Process == sender);
            if (at < 0)
            {
                model.Add((sender, new Queue<uint>([i])));
            }
            else
            {
                model[at].Requests.Enqueue(i);
            }
        }
    }

    [Fact]
    public void Processes_without_a_number_here_are_told_apart_by_address()
    {
        // A few share a bucket with the flood, and wait as if they were it.
        Assert.InRange(Enumerable.Range(2, 200).Count(address =>
        {
            ServeQueue queue = new();
            for (uint i = 0; i < 10; i++)
            {
                Add(queue, 0, 100 + i, address: 1);
            }

            Add(queue, 0, 200, address: (byte)address);
            return Array.IndexOf(Drain(queue), 200u) <= 1;
        }), 150, 200);
    }

    private static uint? Add(ServeQueue queue, int process, uint value, byte address = 0, uint user = 0)
    {
        Datagram request = new() { Value = value, Sender = new ucred { pid = process, uid = user }, AddressLength = 8 };
        unsafe
        {
            request.Address.sun_path[2] = address;
        }

        return queue.Add(request, out Datagram dropped) ? dropped.Value : null;
    }

    private static uint Take(ServeQueue queue)
    {
        Assert.True(queue.TryTake(out Datagram request));
        return request.Value;
    }

    private static uint[] Drain(ServeQueue queue)
    {
        List<uint> values = [];
        while (queue.TryTake(out Datagram request))
        {
            values.Add(request.Value);
        }

        return [.. values];
    }
}
