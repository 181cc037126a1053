package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestHealthIsWhatWasSet(t *testing.T) {
	service := handler()
	for _, step := range []struct {
		method, target string
		status         int
	}{
		{"GET", "/health", http.StatusOK},
		{"PUT", "/health?status=503", http.StatusOK},
		{"GET", "/health", http.StatusServiceUnavailable},
		{"PUT", "/health?status=ill", http.StatusBadRequest},
		{"GET", "/health", http.StatusServiceUnavailable},
		{"PUT", "/health?status=429&after=1ms", http.StatusOK},
		{"GET", "/health", http.StatusTooManyRequests},
		{"GET", "/?sleep=1ms", http.StatusOK},
		{"PUT", "/health?status=200", http.StatusOK},
		{"GET", "/health", http.StatusOK},
	} {
		w := httptest.NewRecorder()
		service.ServeHTTP(w, httptest.NewRequest(step.method, step.target, nil))
		if w.Code != step.status {
			t.Errorf("%s %s: %d, not %d", step.method, step.target, w.Code, step.status)
		}
	}
}
