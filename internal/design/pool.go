package design

import "container/heap"

// Parallel calls work concurrently on ranges that together cover 0..n-1.
type Parallel func(n int, work func(low, high int))

// Pool is a collection of rows to choose from.
type Pool struct {
	// Rows are the candidates, all of equal length.
	Rows [][]float32
	// Keys group the candidates. At most Quota candidates of one key are chosen. Quota
	// 0 means no limit.
	Keys  []uint64
	Quota int
}

// priced is a candidate with the price it had when T had a given size.
type priced struct {
	candidate, size int
	price           float64
}

// queue puts the highest price first. Ties are in the order of the candidates.
type queue []priced

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].price > q[j].price || q[i].price == q[j].price && q[i].candidate < q[j].candidate
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(priced)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// refreshed is the number of candidates updated at once. It is fixed, so that the
// choice does not depend on the number of cores.
const refreshed = 32

// Greedy chooses count candidates. Each step takes the one with the highest gain; ties
// are in the order of the candidates. It calls proceed before every step, and yield
// with every choice, its gain and f of the set so far. An error from either ends the
// choice and is returned. Prices only fall as T grows, so the first up-to-date
// candidate of the queue is the best of all (Minoux 1978).
func (p *Pool) Greedy(count int, parallel Parallel, proceed func() error, yield func(candidate int, gain, total float64) error) error {
	if len(p.Rows) == 0 {
		return nil
	}
	t := NewSet(len(p.Rows[0]))
	q := make(queue, len(p.Rows))
	parallel(len(p.Rows), func(low, high int) {
		for i := low; i < high; i++ {
			q[i] = priced{candidate: i, price: Alone(p.Rows[i])}
		}
	})
	heap.Init(&q)
	taken := make(map[uint64]int)
	open := func(i int) bool { return p.Quota == 0 || taken[p.Keys[i]] < p.Quota }
	stale := make([]priced, 0, refreshed)
	for t.size < count && len(q) > 0 {
		if err := proceed(); err != nil {
			return err
		}
		if top := q[0]; top.size == t.size {
			heap.Pop(&q)
			i := top.candidate
			if !open(i) {
				continue
			}
			taken[p.Keys[i]]++
			gain := t.Add(p.Rows[i], top.price)
			if err := yield(i, gain, t.total); err != nil {
				return err
			}
			continue
		}
		stale = stale[:0]
		for len(q) > 0 && len(stale) < refreshed && q[0].size < t.size {
			if next := heap.Pop(&q).(priced); open(next.candidate) {
				stale = append(stale, next)
			}
		}
		parallel(len(stale), func(low, high int) {
			for i := low; i < high; i++ {
				s := &stale[i]
				s.price, s.size = t.Price(p.Rows[s.candidate], s.price, s.size), t.size
			}
		})
		for _, s := range stale {
			heap.Push(&q, s)
		}
	}
	return nil
}
