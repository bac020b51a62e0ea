//go:build !linux

package main

func protect() {}
