package cache

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
)

// A Memory is a [Store] that ends with the process. Its zero value is an empty store.
type Memory struct {
	mu     sync.Mutex
	values map[string][]byte
	locks  map[string]chan struct{}
}

// Get returns the value called name. It returns an error wrapping [fs.ErrNotExist] if
// there is none.
func (m *Memory) Get(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if value, ok := m.values[name]; ok {
		return bytes.Clone(value), nil
	}
	return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}

// Put replaces the value called name. It returns no error.
func (m *Memory) Put(_ context.Context, name string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.values == nil {
		m.values = map[string][]byte{}
	}
	m.values[name] = bytes.Clone(value)
	return nil
}

// Delete removes the value called name. It returns an error wrapping [fs.ErrNotExist] if
// there is none.
func (m *Memory) Delete(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.values[name]; !ok {
		return fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	delete(m.values, name)
	return nil
}

// List returns the names of all values.
func (m *Memory) List(context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.values)), nil
}

// Lock waits for the lock called name until ctx ends. It then returns ctx.Err().
func (m *Memory) Lock(ctx context.Context, name string) (func(), error) {
	select {
	case m.lock(name) <- struct{}{}:
		return m.release(name), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TryLock takes the lock called name if it is free. Otherwise it returns nil.
func (m *Memory) TryLock(name string) (func(), error) {
	select {
	case m.lock(name) <- struct{}{}:
		return m.release(name), nil
	default:
		return nil, nil
	}
}

// lock returns the lock called name, a channel that is full while the lock is held.
func (m *Memory) lock(name string) chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locks == nil {
		m.locks = map[string]chan struct{}{}
	}
	if m.locks[name] == nil {
		m.locks[name] = make(chan struct{}, 1)
	}
	return m.locks[name]
}

func (m *Memory) release(name string) func() { return func() { <-m.lock(name) } }
