package http1

import "strconv"

// The functions below append to a buffer what a message consists of. They refuse what would let one field or target become two
// lines, so that no caller can be talked into splitting a message.

// AppendRequestLine appends "METHOD target HTTP/1.1". Bytes of the target beyond ASCII are percent-encoded.
func AppendRequestLine(dst []byte, method, target string) ([]byte, error) {
	if !ValidName(method) || !ValidTarget(target) {
		return dst, ErrRequestLine
	}
	dst = append(append(dst, method...), ' ')
	start := 0
	for i := range len(target) {
		if c := target[i]; c >= 0x80 {
			const hex = "0123456789ABCDEF"
			dst = append(append(dst, target[start:i]...), '%', hex[c>>4], hex[c&15])
			start = i + 1
		}
	}
	dst = append(dst, target[start:]...)
	return append(dst, " HTTP/1.1\r\n"...), nil
}

// AppendField appends one header line.
func AppendField(dst []byte, name, value string) ([]byte, error) {
	if !ValidName(name) {
		return dst, ErrFieldName
	}
	if !ValidValue(value) {
		return dst, ErrFieldValue
	}
	dst = append(append(dst, name...), ": "...)
	return append(append(dst, value...), "\r\n"...), nil
}

// AppendLength appends a Content-Length field.
func AppendLength(dst []byte, n int64) []byte {
	dst = append(dst, "Content-Length: "...)
	return append(strconv.AppendInt(dst, n, 10), "\r\n"...)
}

// AppendChunkHead appends the line before a chunk of size bytes, which must be followed by "\r\n". Size must not be 0.
func AppendChunkHead(dst []byte, size int) []byte {
	return append(strconv.AppendUint(dst, uint64(size), 16), "\r\n"...)
}

// AppendLastChunk appends the end of a chunked body up to its trailers, which must be followed by an empty line.
func AppendLastChunk(dst []byte) []byte { return append(dst, "0\r\n"...) }
