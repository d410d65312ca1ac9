// Moving memory: by page list, and by extents. Copies or exchanges.
// Position independent, no privileged instruction: the host's tests run it.

.section .text.relocate, "ax"

// In:      rdi = head of a page list (the word itself), rsi = most words to
//          look at, edx = 0 to copy, 1 to exchange; DF = 0.
// Out:     eax = 1 when the end was reached, else 0.
// Clobber: rcx rdx rsi rdi r8 r9 r10 r11 flags
// Uses:    r8 word, r9 words left, r10d what to do, r11 address of the next
//          word, rdi destination (it advances by itself), rsi page of the word
.global handoff_move_list
.hidden handoff_move_list
handoff_move_list:
    mov     r8, rdi
    mov     r9, rsi
    mov     r10d, edx
    xor     r11d, r11d
    xor     edi, edi
.Llist_word:
    sub     r9, 1
    jb      .Llist_bad                  // longer than the host wrote it
    mov     rsi, r8
    and     rsi, -4096
    test    r8b, {DESTINATION}
    jnz     .Llist_destination
    test    r8b, {INDIRECTION}
    jnz     .Llist_indirection
    test    r8b, {DONE}
    jnz     .Llist_done
    test    r8b, {SOURCE}
    jz      .Llist_next
    test    r11, r11
    jz      .Llist_bad                  // a head that is no list
    mov     ecx, 4096
    call    .Lmove
    jmp     .Llist_next
.Llist_destination:
    mov     rdi, rsi
    jmp     .Llist_next
.Llist_indirection:
    mov     r11, rsi
.Llist_next:
    test    r11, r11
    jz      .Llist_bad                  // the same
    mov     r8, [r11]
    add     r11, 8
    jmp     .Llist_word
.Llist_done:
    mov     eax, 1
    ret
.Llist_bad:
    xor     eax, eax
    ret

// In:      rdi = first Extent, rsi = number of them, edx = 0 to copy (each as
//          memmove does), 1 to exchange (the two may not overlap); DF = 0.
// Out:     nothing.
// Clobber: rax rcx rdx rsi rdi r8 r9 r10 r11 flags
// Uses:    r8 next extent, r9 extents left, r10d what to do, r11 bytes left
.global handoff_move_extents
.hidden handoff_move_extents
handoff_move_extents:
    mov     r8, rdi
    mov     r9, rsi
    mov     r10d, edx
.Lextent:
    sub     r9, 1
    jb      .Lextents_done
    mov     rdi, [r8 + {TO}]
    mov     rsi, [r8 + {FROM}]
    mov     rcx, [r8 + {LEN}]
    add     r8, {EXTENT}
    mov     rax, rdi
    sub     rax, rsi
    je      .Lextent                    // already there
    cmp     rax, rcx
    jb      .Lextent_upwards
    call    .Lmove
    jmp     .Lextent
.Lextent_upwards:
    // the destination starts inside the source: from the end, in pieces as
    // long as the distance, which do not overlap themselves
    mov     r11, rcx
    add     rdi, rcx
    add     rsi, rcx
.Lextent_piece:
    mov     rcx, rdi
    sub     rcx, rsi
    cmp     rcx, r11
    cmova   rcx, r11
    sub     r11, rcx
    sub     rdi, rcx
    sub     rsi, rcx
    push    rdi
    push    rsi
    call    .Lmove
    pop     rsi
    pop     rdi
    test    r11, r11
    jnz     .Lextent_piece
    jmp     .Lextent
.Lextents_done:
    ret

// In:      rdi, rsi = two places, rcx = bytes, r10d = 0 to copy from rsi to
//          rdi, 1 to exchange; DF = 0.
// Out:     rdi, rsi = behind the two.
// Clobber: rax rcx rdx flags
.Lmove:
    mov     rdx, rcx
    shr     rcx, 3
    test    r10d, r10d
    jnz     .Lexchange
    rep     movsq
    mov     ecx, edx
    and     ecx, 7
    rep     movsb
    ret
.Lexchange:
    and     edx, 7                      // bytes behind the last whole word
    test    rcx, rcx
    jz      .Lexchange_bytes
.Lexchange_word:
    mov     rax, [rsi]
    mov     r10, [rdi]
    mov     [rdi], rax
    mov     [rsi], r10
    add     rsi, 8
    add     rdi, 8
    sub     rcx, 1
    jnz     .Lexchange_word
.Lexchange_bytes:
    sub     edx, 1
    jb      .Lexchange_done
    mov     al, [rsi]
    mov     r10b, [rdi]
    mov     [rdi], al
    mov     [rsi], r10b
    inc     rsi
    inc     rdi
    jmp     .Lexchange_bytes
.Lexchange_done:
    mov     r10d, 1
    ret
